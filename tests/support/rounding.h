// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Rounding to bfloat16 on the host, and how far rounding may move a result.
#ifndef SWITCHYARD_TESTS_SUPPORT_ROUNDING_H_
#define SWITCHYARD_TESTS_SUPPORT_ROUNDING_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#include "switchyard/base/dtype.h"

namespace switchyard::testing {

// To nearest even; NaN stays NaN.
inline BFloat16 ToBFloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (std::isnan(value)) return {static_cast<uint16_t>((bits >> 16) | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
}

inline float ToFloat(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

// Rounds to fp32 or bf16.
inline double RoundTo(DType dtype, double value) {
  const float rounded = static_cast<float>(value);
  return dtype == DType::kBFloat16 ? ToFloat(ToBFloat16(rounded)) : rounded;
}

// Rounding once to nearest changes a number by at most this share of it.
inline double UnitRoundoff(DType dtype) {
  return dtype == DType::kBFloat16 ? 0x1p-8 : 0x1p-24;
}

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_ROUNDING_H_
