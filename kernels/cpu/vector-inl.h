// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Loops over vectors without scalar tails: the body is written once and gets
// `lanes`, which its loads and stores take; the last, partial vector does the
// same operations as the others on lanes filled up with zeros.
//
//   ForEachVector(d, count, [&](int64_t i, auto lanes) HWY_ATTR {
//     Store(hn::Add(Load(d, a + i, lanes), b), d, y + i, lanes);
//   });
#if defined(SWITCHYARD_KERNELS_CPU_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_VECTOR_INL_H_
#undef SWITCHYARD_KERNELS_CPU_VECTOR_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_VECTOR_INL_H_
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "switchyard/base/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct AllLanes {};
struct FirstLanes {
  size_t count;
};

template <class D>
HWY_INLINE hn::Vec<D> Load(D d, const hn::TFromD<D>* from, AllLanes) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> Load(D d, const hn::TFromD<D>* from, FirstLanes lanes) {
  HWY_ALIGN hn::TFromD<D> padded[hn::MaxLanes(D())] = {};
  std::memcpy(padded, from, lanes.count * sizeof(padded[0]));
  return hn::Load(d, padded);
}

template <class D>
HWY_INLINE void Store(hn::Vec<D> v, D d, hn::TFromD<D>* to, AllLanes) {
  hn::StoreU(v, d, to);
}
template <class D>
HWY_INLINE void Store(hn::Vec<D> v, D d, hn::TFromD<D>* to, FirstLanes lanes) {
  HWY_ALIGN hn::TFromD<D> padded[hn::MaxLanes(D())];
  hn::Store(v, d, padded);
  std::memcpy(to, padded, lanes.count * sizeof(padded[0]));
}

// v with `value` in the lanes that are not there.
template <class D>
HWY_INLINE hn::Vec<D> Fill(D /*d*/, hn::Vec<D> v, AllLanes,
                           hn::TFromD<D> /*value*/) {
  return v;
}
template <class D>
HWY_INLINE hn::Vec<D> Fill(D d, hn::Vec<D> v, FirstLanes lanes,
                           hn::TFromD<D> value) {
  return hn::IfThenElse(hn::FirstN(d, lanes.count), v, hn::Set(d, value));
}

// fp32 lanes from fp32 or bf16 memory.
template <class D, class Lanes>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const float* from, Lanes lanes) {
  return Load(d, from, lanes);
}
template <class D, class Lanes>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const BFloat16* from, Lanes lanes) {
  const hn::Rebind<uint16_t, D> du16;
  const hn::Rebind<uint32_t, D> du32;
  const auto upper = hn::PromoteTo(du32, Load(du16, &from->bits, lanes));
  return hn::BitCast(d, hn::ShiftLeft<16>(upper));
}

// fp32 lanes to fp32 or bf16 memory; bf16 rounds to nearest even, NaN stays
// NaN.
template <class D, class Lanes>
HWY_INLINE void StoreFloats(hn::Vec<D> v, D d, float* to, Lanes lanes) {
  Store(v, d, to, lanes);
}
// The nearest bf16, ties to even, in the upper half of each lane; NaN stays
// NaN.
template <class D>
HWY_INLINE hn::Vec<D> RoundToBFloat16(hn::Vec<D> v, D d) {
  const hn::Rebind<uint32_t, D> du32;
  const auto bits = hn::BitCast(du32, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du32, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du32, 0x7FFF)));
  const auto quiet = hn::Or(bits, hn::Set(du32, 0x400000));
  const auto is_number = hn::RebindMask(du32, hn::Eq(v, v));
  const auto chosen = hn::IfThenElse(is_number, rounded, quiet);
  return hn::BitCast(d, hn::And(chosen, hn::Set(du32, 0xFFFF0000)));
}
template <class D, class Lanes>
HWY_INLINE void StoreFloats(hn::Vec<D> v, D d, BFloat16* to, Lanes lanes) {
  const hn::Rebind<uint16_t, D> du16;
  const hn::Rebind<uint32_t, D> du32;
  const hn::Rebind<int32_t, D> di32;
  const auto upper =
      hn::ShiftRight<16>(hn::BitCast(du32, RoundToBFloat16(v, d)));
  Store(hn::DemoteTo(du16, hn::BitCast(di32, upper)), du16, &to->bits, lanes);
}

// body(i, lanes) for every vector of [0, count).
template <class D, class Body>
HWY_INLINE void ForEachVector(D d, int64_t count, const Body& body) {
  const int64_t lane_count = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lane_count <= count; i += lane_count) body(i, AllLanes());
  if (i < count) body(i, FirstLanes{static_cast<size_t>(count - i)});
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
