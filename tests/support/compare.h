// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Comparisons of whole tensors that name the first element that differs.
#ifndef SWITCHYARD_TESTS_SUPPORT_COMPARE_H_
#define SWITCHYARD_TESTS_SUPPORT_COMPARE_H_

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::testing {

// |actual[i] - expected[i]| <= tolerance[i] for all i; NaN is never near.
::testing::AssertionResult AllNear(const std::vector<double>& actual,
                                   const std::vector<double>& expected,
                                   const std::vector<double>& tolerance);
// With tolerance absolute + relative · |expected[i]|.
::testing::AssertionResult AllNear(const std::vector<double>& actual,
                                   const std::vector<double>& expected,
                                   double absolute, double relative);

// Equal numbers (exact answers).
::testing::AssertionResult AllEqual(const std::vector<double>& actual,
                                    const std::vector<double>& expected);

// Equal bits.
::testing::AssertionResult SameBits(const TestTensor& a, const TestTensor& b);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_COMPARE_H_
