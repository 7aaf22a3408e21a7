// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/bench/bench_tensor.h"

#include <cmath>
#include <cstring>

#include "switchyard/base/check.h"
#include "switchyard/base/philox.h"

namespace switchyard::bench {

BenchTensor::BenchTensor(Device& device, DType dtype, const Shape& shape)
    : storage_(device, dtype, shape), view_(storage_.View(dtype, shape)) {
  std::memset(view_.raw(), 0xff, view_.byte_count());
}

void FillEighths(uint64_t seed, const TensorView& tensor) {
  for (int64_t i = 0; i < tensor.element_count(); ++i) {
    const uint32_t word =
        Philox4x32(seed, {static_cast<uint32_t>(i), 0, 0, 0})[0];
    const float value = (static_cast<float>(word % 9) - 4) / 8;
    if (tensor.dtype() == DType::kFloat32) {
      tensor.data<float>()[i] = value;
    } else {
      uint32_t bits;  // the lower half is zero
      std::memcpy(&bits, &value, sizeof(bits));
      tensor.data<BFloat16>()[i] = {static_cast<uint16_t>(bits >> 16)};
    }
  }
}

double ElementOf(const ConstTensorView& tensor, int64_t index) {
  switch (tensor.dtype()) {
    case DType::kFloat32:
      return tensor.data<float>()[index];
    case DType::kBFloat16: {
      const uint32_t bits =
          static_cast<uint32_t>(tensor.data<BFloat16>()[index].bits) << 16;
      float value;
      std::memcpy(&value, &bits, sizeof(value));
      return value;
    }
    case DType::kInt64:
      return static_cast<double>(tensor.data<int64_t>()[index]) * 0x1p-44;
    default:
      SWITCHYARD_CHECK(false) << NameOf(tensor.dtype());
      return 0;
  }
}

bool SameNumbers(const ConstTensorView& a, const ConstTensorView& b) {
  if (a.shape() != b.shape()) return false;
  bool any = false;
  for (int64_t i = 0; i < a.element_count(); ++i) {
    const double found = ElementOf(a, i);
    if (!std::isfinite(found) || found != ElementOf(b, i)) return false;
    any = any || found != 0;
  }
  return any;
}

}  // namespace switchyard::bench
