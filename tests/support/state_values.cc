// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/state_values.h"

#include <vector>

#include "switchyard/base/philox.h"

namespace switchyard::testing {

void SetStateValues(Stream& stream, const ParameterStore& store,
                    uint64_t seed) {
  for (const auto& state : store.states()) {
    std::vector<float> values;
    const uint64_t key = MixKey(MixKey(seed, "state values"), state->name);
    for (int64_t i = 0; i < state->shape.element_count(); ++i) {
      const uint32_t word =
          Philox4x32(key, {static_cast<uint32_t>(i), 0, 0, 0})[0];
      values.push_back(0.2f *
                       (static_cast<float>(word >> 8) * 0x1p-24f - 0.5f));
    }
    stream.CopyToDevice(state->values, values.data());
    stream.Wait();
  }
}

}  // namespace switchyard::testing
