// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Element types of tensors.
#ifndef SWITCHYARD_BASE_DTYPE_H_
#define SWITCHYARD_BASE_DTYPE_H_

#include <cstddef>
#include <cstdint>

namespace switchyard {

// bfloat16 as it lies in memory: the upper half of an IEEE binary32. It has no
// arithmetic here; operators convert to fp32, compute, and round to nearest
// even.
struct BFloat16 {
  uint16_t bits;
};

enum class DType : uint8_t {
  kFloat32,
  kBFloat16,
  kFloat64,
  kInt32,
  kInt64,
  kUInt8,
};

// Bytes of one element.
constexpr size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kBFloat16:
      return 2;
    case DType::kFloat64:
    case DType::kInt64:
      return 8;
    case DType::kUInt8:
      return 1;
  }
  return 0;
}

// "fp32", "bf16", "fp64", "int32", "int64", "uint8".
const char* NameOf(DType dtype);

namespace internal {
template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kFloat32;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::kBFloat16;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kFloat64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::kInt32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::kInt64;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::kUInt8;
};
}  // namespace internal

template <typename T>
inline constexpr DType kDTypeOf = internal::DTypeOf<T>::value;

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_DTYPE_H_
