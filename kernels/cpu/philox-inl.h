// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Philox4x32 (base/philox.h) of a vector of counters.
//
// Per-target: include it after hwy/highway.h.
#if defined(SWITCHYARD_KERNELS_CPU_PHILOX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_KERNELS_CPU_PHILOX_INL_H_
#undef SWITCHYARD_KERNELS_CPU_PHILOX_INL_H_
#else
#define SWITCHYARD_KERNELS_CPU_PHILOX_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "switchyard/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using PhiloxWords = hn::ScalableTag<uint64_t>;  // 32 random bits in each lane

// The 64-bit product of each lane's lower half.
HWY_INLINE hn::Vec<PhiloxWords> MultiplyLower(hn::Vec<PhiloxWords> x,
                                              uint32_t factor) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(PhiloxWords(), (hn::GetLane(x) & 0xFFFFFFFF) * factor);
#else
  const hn::Repartition<uint32_t, PhiloxWords> d32;
  return hn::MulEven(hn::BitCast(d32, x), hn::Set(d32, factor));
#endif
}

// Philox4x32 with 10 rounds (base/philox.h), one counter in each lane of x[0]
// to x[3]. The upper halves of lanes are not kept clean between rounds:
// products do not see them.
HWY_INLINE void Philox(uint64_t key, hn::Vec<PhiloxWords> (&x)[4]) {
  using W = hn::Vec<PhiloxWords>;
  const PhiloxWords dw;
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const W product0 = MultiplyLower(x[0], 0xD2511F53);
    const W product1 = MultiplyLower(x[2], 0xCD9E8D57);
    x[0] = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), x[1]),
                   hn::Set(dw, uint64_t{key0}));
    x[1] = product1;
    x[2] = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), x[3]),
                   hn::Set(dw, uint64_t{key1}));
    x[3] = product0;
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  for (W& word : x) word = hn::And(word, hn::Set(dw, 0xFFFFFFFF));
}

// A row of random words: word i is number i % 4 of the counter whose first word
// is i / 4 and whose others are these.
struct PhiloxRow {
  uint64_t key;
  uint32_t counter[3];
};

constexpr int64_t kWordsAtOnce = 4 * hn::MaxLanes(PhiloxWords());

// Words 4 · counter to 4 · counter + kWordsAtOnce - 1.
HWY_INLINE void RandomWords(const PhiloxRow& row, uint64_t counter,
                            uint32_t* words) {
  const PhiloxWords d;
  hn::Vec<PhiloxWords> x[4] = {hn::Add(hn::Set(d, counter), hn::Iota(d, 0)),
                               hn::Set(d, uint64_t{row.counter[0]}),
                               hn::Set(d, uint64_t{row.counter[1]}),
                               hn::Set(d, uint64_t{row.counter[2]})};
  Philox(row.key, x);
  HWY_ALIGN uint64_t pairs[2 * hn::MaxLanes(d)];
  hn::StoreInterleaved2(hn::Or(x[0], hn::ShiftLeft<32>(x[1])),
                        hn::Or(x[2], hn::ShiftLeft<32>(x[3])), d, pairs);
  std::memcpy(words, pairs, sizeof(pairs));
}

// (word >> 9 + 1/2) · 2^-23 of the words at `words`: uniform on multiples of
// 2^-24 strictly between 0 and 1, each exact in fp32.
template <class D>
HWY_INLINE hn::Vec<D> UnitInterval(D d, const uint32_t* words) {
  const hn::Rebind<uint32_t, D> du;
  const hn::Rebind<int32_t, D> di;
  const auto upper = hn::ShiftRight<9>(hn::LoadU(du, words));
  const auto number = hn::ConvertTo(d, hn::BitCast(di, upper));
  return hn::Mul(hn::Add(number, hn::Set(d, 0.5f)), hn::Set(d, 0x1p-23f));
}

// A number on (0, 1) for each of `width` elements of row `token`: calls
// visit(i, lanes, u) for vectors of them, u those of elements i and behind.
template <class D, class Visit>
HWY_INLINE void ForEachUniform(D d, uint64_t key, uint32_t purpose,
                               int64_t token, int64_t width,
                               const Visit& visit) {
  const uint64_t number = static_cast<uint64_t>(token);
  const PhiloxRow row = {key,
                         {static_cast<uint32_t>(number),
                          static_cast<uint32_t>(number >> 32), purpose}};
  HWY_ALIGN uint32_t words[kWordsAtOnce];
  for (int64_t begin = 0; begin < width; begin += kWordsAtOnce) {
    RandomWords(row, static_cast<uint64_t>(begin) / 4, words);
    ForEachVector(d, std::min(kWordsAtOnce, width - begin),
                  [&](int64_t i, auto lanes) HWY_ATTR {
                    visit(begin + i, lanes, UnitInterval(d, words + i));
                  });
  }
}

}  // namespace switchyard::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
