// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/conformance/implementation.h"

#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"

namespace switchyard::comm {

std::ostream& operator<<(std::ostream& out, const Implementation& it) {
  return out << it.name << " with " << it.ranks << " ranks";
}

std::vector<Implementation> WithDevices(std::vector<Implementation> list) {
  const size_t count = list.size();
  for (size_t i = 0; i < count; ++i) {
    list.push_back(list[i]);
    list.back().guarded = true;
  }
  return list;
}

std::string NameOfParam(const ::testing::TestParamInfo<Implementation>& info) {
  const Implementation& it = info.param;
  return it.name + std::to_string(it.ranks) + (it.guarded ? "Guarded" : "Cpu") +
         (it.max_call_elements > 0 ? "Cut" : "");
}

void ConformanceTest::OnEveryRank(
    const std::function<absl::Status(Rank&)>& body, double timeout_seconds) {
  const Implementation& it = GetParam();
  Options options;
  options.timeout_seconds = timeout_seconds;
  if (it.max_call_elements > 0) {
    options.max_call_elements = it.max_call_elements;
  }
  const absl::Status status =
      it.run(options, [&](Communicator& world) -> absl::Status {
        EXPECT_EQ(world.size(), it.ranks);
        std::unique_ptr<Device> device;
        if (it.guarded) {
          device = std::make_unique<GuardedDevice>();
        } else {
          device = std::make_unique<CpuDevice>();
        }
        const std::unique_ptr<Stream> stream = device->NewStream();
        Rank rank{world, *device, *stream};
        return body(rank);
      });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace switchyard::comm
