// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/compare.h"

#include <cmath>
#include <iomanip>

namespace switchyard::testing {
namespace {

::testing::AssertionResult SameCount(size_t actual, size_t expected) {
  if (actual == expected) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << actual << " elements, expected " << expected;
}

}  // namespace

::testing::AssertionResult AllNear(const std::vector<double>& actual,
                                   const std::vector<double>& expected,
                                   const std::vector<double>& tolerance) {
  if (auto same = SameCount(actual.size(), expected.size()); !same) return same;
  size_t bad = 0, first = 0;
  for (size_t i = actual.size(); i-- > 0;) {
    const double error = std::abs(actual[i] - expected[i]);
    if (error <= tolerance[i]) continue;  // false for NaN
    ++bad;
    first = i;
  }
  if (bad == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << bad << " of " << actual.size() << " elements differ, the first at "
         << first << ": found " << std::setprecision(17) << actual[first]
         << ", expected " << expected[first] << " within " << tolerance[first];
}

::testing::AssertionResult AllNear(const std::vector<double>& actual,
                                   const std::vector<double>& expected,
                                   double absolute, double relative) {
  std::vector<double> tolerance(expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    tolerance[i] = absolute + relative * std::abs(expected[i]);
  }
  return AllNear(actual, expected, tolerance);
}

::testing::AssertionResult AllEqual(const std::vector<double>& actual,
                                    const std::vector<double>& expected) {
  return AllNear(actual, expected, 0.0, 0.0);
}

::testing::AssertionResult SameBits(const TestTensor& a, const TestTensor& b) {
  const std::vector<uint64_t> a_bits = a.Bits(), b_bits = b.Bits();
  if (auto same = SameCount(a_bits.size(), b_bits.size()); !same) return same;
  for (size_t i = 0; i < a_bits.size(); ++i) {
    if (a_bits[i] == b_bits[i]) continue;
    return ::testing::AssertionFailure()
           << "bits differ at element " << i << ": " << std::setprecision(17)
           << a.Read()[i] << " and " << b.Read()[i];
  }
  return ::testing::AssertionSuccess();
}

}  // namespace switchyard::testing
