// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Random inputs of tests: functions of their seed alone.
#ifndef SWITCHYARD_TESTS_SUPPORT_RANDOM_VALUES_H_
#define SWITCHYARD_TESTS_SUPPORT_RANDOM_VALUES_H_

#include <cstdint>
#include <vector>

#include "switchyard/base/dtype.h"

namespace switchyard::testing {

// `count` numbers, uniform in [low, high), rounded to `dtype` (fp32 or bf16),
// so that an oracle in double starts from what the operator sees.
std::vector<double> RandomValues(uint64_t seed, int64_t count,
                                 double low = -1.0, double high = 1.0,
                                 DType dtype = DType::kFloat32);

// Integers, uniform in [low, high].
std::vector<double> RandomIntegers(uint64_t seed, int64_t count, int64_t low,
                                   int64_t high);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_RANDOM_VALUES_H_
