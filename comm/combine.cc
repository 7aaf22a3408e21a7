// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/combine.h"

#include <algorithm>
#include <cstring>

#include "switchyard/base/check.h"
#include "switchyard/base/cpu/floating_point_mode.h"

namespace switchyard::comm {
namespace {

using Parts = absl::Span<const std::byte* const>;

template <typename T>
void CombineInto(ReduceOp op, T* acc, const T* x, int64_t count) {
  switch (op) {
    case ReduceOp::kSum:
      for (int64_t i = 0; i < count; ++i) acc[i] += x[i];
      break;
    case ReduceOp::kMin:
      for (int64_t i = 0; i < count; ++i) acc[i] = std::min(acc[i], x[i]);
      break;
    case ReduceOp::kMax:
      for (int64_t i = 0; i < count; ++i) acc[i] = std::max(acc[i], x[i]);
      break;
  }
}

// In blocks that stay in the nearest cache, so that memory is read and written
// once however many parts there are.
template <typename T>
void CombineAll(ReduceOp op, Parts parts, std::byte* result, int64_t count) {
  constexpr int64_t kBlock = 8192 / sizeof(T);
  T acc[kBlock];
  T* out = reinterpret_cast<T*>(result);
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t n = std::min(kBlock, count - begin);
    std::memcpy(acc, reinterpret_cast<const T*>(parts[0]) + begin,
                n * sizeof(T));
    for (const std::byte* part : parts.subspan(1)) {
      CombineInto(op, acc, reinterpret_cast<const T*>(part) + begin, n);
    }
    std::memcpy(out + begin, acc, n * sizeof(T));
  }
}

}  // namespace

void Combine(DType dtype, ReduceOp op, Parts parts, std::byte* result,
             int64_t count) {
  ScopedFloatingPointMode mode;
  switch (dtype) {
    case DType::kFloat32:
      return CombineAll<float>(op, parts, result, count);
    case DType::kFloat64:
      return CombineAll<double>(op, parts, result, count);
    case DType::kInt32:
      return CombineAll<int32_t>(op, parts, result, count);
    case DType::kInt64:
      return CombineAll<int64_t>(op, parts, result, count);
    case DType::kBFloat16:
    case DType::kUInt8:
      break;
  }
  SWITCHYARD_CHECK(false) << NameOf(dtype) << " cannot be reduced";
}

}  // namespace switchyard::comm
