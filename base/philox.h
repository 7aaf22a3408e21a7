// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Counter-based random numbers: Philox4x32 with 10 rounds (Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A number is a
// function of (key, counter) alone, so any rank can compute any of them.
#ifndef SWITCHYARD_BASE_PHILOX_H_
#define SWITCHYARD_BASE_PHILOX_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace switchyard {

using PhiloxCounter = std::array<uint32_t, 4>;

// Four random words for a 64-bit key and a 128-bit counter.
PhiloxCounter Philox4x32(uint64_t key, const PhiloxCounter& counter);

// Mixes a value, or a name, into a key: streams for different purposes, steps,
// layers or parameters. key' = MixKey(MixKey(seed, "init"), parameter_name).
uint64_t MixKey(uint64_t key, uint64_t value);
uint64_t MixKey(uint64_t key, std::string_view name);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_PHILOX_H_
