// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/random_values.h"

#include "switchyard/base/philox.h"
#include "switchyard/tests/support/rounding.h"

namespace switchyard::testing {
namespace {

uint64_t Word(uint64_t seed, int64_t index) {
  const PhiloxCounter words =
      Philox4x32(seed, {static_cast<uint32_t>(index),
                        static_cast<uint32_t>(index >> 32), 0x74657374, 0});
  return (static_cast<uint64_t>(words[0]) << 32) | words[1];
}

}  // namespace

std::vector<double> RandomValues(uint64_t seed, int64_t count, double low,
                                 double high, DType dtype) {
  std::vector<double> values(count);
  for (int64_t i = 0; i < count; ++i) {
    const double unit = static_cast<double>(Word(seed, i) >> 11) * 0x1p-53;
    values[i] = RoundTo(dtype, low + (high - low) * unit);
  }
  return values;
}

std::vector<double> RandomIntegers(uint64_t seed, int64_t count, int64_t low,
                                   int64_t high) {
  std::vector<double> values(count);
  const uint64_t span = static_cast<uint64_t>(high - low) + 1;
  for (int64_t i = 0; i < count; ++i) {
    values[i] =
        static_cast<double>(low + static_cast<int64_t>(Word(seed, i) % span));
  }
  return values;
}

}  // namespace switchyard::testing
