// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "nccl/reduction.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace switchyard::emulation {
namespace {

template <typename T>
T Combine(ncclRedOp_t op, T a, T b) {
  // Integers wrap around.
  using Wrapping =
      typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>,
                                  std::type_identity<T>>::type;
  const auto x = static_cast<Wrapping>(a);
  const auto y = static_cast<Wrapping>(b);
  switch (op) {
    case ncclProd:
      return static_cast<T>(x * y);
    case ncclMax:
      return std::max(a, b);
    case ncclMin:
      return std::min(a, b);
    default:
      return static_cast<T>(x + y);
  }
}

template <typename T>
T Load(const std::vector<char>& values, size_t i) {
  T value;
  std::memcpy(&value, values.data() + i * sizeof(T), sizeof(T));
  return value;
}

// Elements of type T, combined as type A.
template <typename T, typename A = T>
std::vector<char> ReduceAs(const std::vector<std::vector<char>>& values,
                           size_t count, ncclRedOp_t op) {
  std::vector<char> result(count * sizeof(T));
  for (size_t i = 0; i < count; ++i) {
    A sum = static_cast<A>(Load<T>(values[0], i));
    for (size_t rank = 1; rank < values.size(); ++rank) {
      sum = Combine(op, sum, static_cast<A>(Load<T>(values[rank], i)));
    }
    if (op == ncclAvg) sum /= static_cast<A>(values.size());
    const T rounded = static_cast<T>(sum);
    std::memcpy(result.data() + i * sizeof(T), &rounded, sizeof(T));
  }
  return result;
}

}  // namespace

size_t BytesOf(ncclDataType_t type) {
  switch (type) {
    case ncclInt8:
    case ncclUint8:
      return 1;
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclUint32:
    case ncclFloat32:
      return 4;
    case ncclInt64:
    case ncclUint64:
    case ncclFloat64:
      return 8;
  }
  return 0;
}

const char* NameOf(ncclDataType_t type) {
  switch (type) {
    case ncclInt8:
      return "int8";
    case ncclUint8:
      return "uint8";
    case ncclInt32:
      return "int32";
    case ncclUint32:
      return "uint32";
    case ncclInt64:
      return "int64";
    case ncclUint64:
      return "uint64";
    case ncclFloat32:
      return "float32";
    case ncclFloat64:
      return "float64";
    case ncclBfloat16:
      return "bfloat16";
  }
  return "unknown type";
}

const char* NameOf(ncclRedOp_t op) {
  switch (op) {
    case ncclSum:
      return "sum";
    case ncclProd:
      return "product";
    case ncclMax:
      return "max";
    case ncclMin:
      return "min";
    case ncclAvg:
      return "average";
  }
  return "unknown operator";
}

std::vector<char> Reduce(const std::vector<std::vector<char>>& values,
                         size_t count, ncclDataType_t type, ncclRedOp_t op) {
  switch (type) {
    case ncclInt8:
      return ReduceAs<int8_t>(values, count, op);
    case ncclUint8:
      return ReduceAs<uint8_t>(values, count, op);
    case ncclInt32:
      return ReduceAs<int32_t>(values, count, op);
    case ncclUint32:
      return ReduceAs<uint32_t>(values, count, op);
    case ncclInt64:
      return ReduceAs<int64_t>(values, count, op);
    case ncclUint64:
      return ReduceAs<uint64_t>(values, count, op);
    case ncclFloat32:
      return ReduceAs<float>(values, count, op);
    case ncclFloat64:
      return ReduceAs<double>(values, count, op);
    case ncclBfloat16:
      return ReduceAs<__nv_bfloat16, float>(values, count, op);
  }
  return {};
}

}  // namespace switchyard::emulation
