// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/bench/float_sum.h"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "switchyard/bench/float_sum.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::bench::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void AddFloats(const float* leaf, int64_t count, float* sum) {
  const hn::CappedTag<float, 16> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < count; i += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, sum + i), hn::LoadU(d, leaf + i)), d,
               sum + i);
  }
}

}  // namespace switchyard::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::bench {

HWY_EXPORT(AddFloats);

void AddToFloatSum(Stream& stream, const ConstTensorView& leaf,
                   const TensorView& sum) {
  SWITCHYARD_CHECK(leaf.element_count() == sum.element_count() &&
                   sum.element_count() % 16 == 0)
      << leaf.shape().ToString() << " " << sum.shape().ToString();
  stream.Enqueue([leaf, sum] {
    HWY_DYNAMIC_DISPATCH(AddFloats)
    (leaf.data<float>(), leaf.element_count(), sum.data<float>());
  });
}

}  // namespace switchyard::bench
#endif  // HWY_ONCE
