// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/guarded/guarded_device.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/tests/support/fault.h"

namespace switchyard {
namespace {

TEST(GuardedDeviceTest, HostCodeThatFollowsAnAddressFaults) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  GuardedDevice device;
  Storage storage(device, DType::kFloat32, {4});
  const TensorView view = storage.View(DType::kFloat32, {4});
  EXPECT_FAULT({
    volatile float value = *view.data<float>();
    (void)value;
  });
}

TEST(GuardedDeviceTest, WorkRunsWhenSomethingWaits) {
  GuardedDevice device;
  Storage storage(device, DType::kFloat32, {4});
  const TensorView view = storage.View(DType::kFloat32, {4});
  const std::unique_ptr<Stream> stream = device.NewStream();
  bool ran = false;
  stream->Enqueue([&ran, view] {
    ran = true;
    EXPECT_TRUE(std::isnan(view.data<float>()[0])) << "new memory is NaN";
  });
  EXPECT_FALSE(ran);
  stream->Wait();
  EXPECT_TRUE(ran);
}

TEST(GuardedDeviceTest, CopiesCrossTheBorder) {
  GuardedDevice device;
  Storage storage(device, DType::kInt32, {2, 3});
  const TensorView view = storage.View(DType::kInt32, {2, 3});
  const std::unique_ptr<Stream> stream = device.NewStream();
  std::vector<int32_t> values = {1, 2, 3, 4, 5, 6};
  stream->CopyToDevice(view, values.data());
  values.assign(6, 0);  // the source may be reused at once
  stream->Copy(view.Columns(0, 1), view.Columns(2, 3));
  std::vector<int32_t> back(6, -1);
  stream->CopyToHost(back.data(), view);
  EXPECT_EQ(back, std::vector<int32_t>(6, -1)) << "nothing ran yet";
  stream->Wait();
  EXPECT_EQ(back, (std::vector<int32_t>{3, 2, 3, 6, 5, 6}));
}

}  // namespace
}  // namespace switchyard
