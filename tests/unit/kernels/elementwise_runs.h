// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What tests of activations and gates set up alike: the tensors of both passes,
// the sigmoid in double, slopes of an oracle, and runs whose bits must depend
// neither on threads nor on how tensors lie.
#ifndef SWITCHYARD_TESTS_UNIT_KERNELS_ELEMENTWISE_RUNS_H_
#define SWITCHYARD_TESTS_UNIT_KERNELS_ELEMENTWISE_RUNS_H_

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {

using Values = std::vector<double>;

inline double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// Of `loss`, which reads `variable`, for a step of 1e-5: the errors are h²/6 of
// the third derivative and 1e-15 / h of rounding.
template <typename Loss>
double Slope(double& variable, const Loss& loss) {
  const double h = 1e-5;
  const double kept = variable;
  variable = kept + h;
  const double above = loss();
  variable = kept - h;
  const double below = loss();
  variable = kept;
  return (above - below) / (2 * h);
}

// Rows of an activation of `inner_width` elements to `width`, both ways.
struct ActivationInputs {
  int64_t rows, width, inner_width;
  DType dtype;
  Values inner, dact;
};

class ActivationTensors {
 public:
  ActivationTensors(Device& device, const ActivationInputs& in,
                    testing::Layout layout = {})
      : inner(device, in.dtype, {in.rows, in.inner_width}, in.inner, layout),
        dact(device, in.dtype, {in.rows, in.width}, in.dact, layout),
        act(device, in.dtype, {in.rows, in.width}, layout),
        dinner(device, in.dtype, {in.rows, in.inner_width}, layout) {}

  // Bit patterns of both results, one after the other.
  std::vector<uint64_t> Results() const {
    std::vector<uint64_t> bits = act.Bits();
    const std::vector<uint64_t> more = dinner.Bits();
    bits.insert(bits.end(), more.begin(), more.end());
    return bits;
  }

  testing::TestTensor inner, dact, act, dinner;
};

// `run` gives the bits of all results on a device, with tensors of a layout.
inline void ExpectSameBitsOnAnyNumberOfThreads(
    const std::function<std::vector<uint64_t>(Device&, testing::Layout)>& run) {
  testing::AnyDevice one(1, testing::AnyDevice::kGuarded);
  const std::vector<uint64_t> expected = run(one, {});
  EXPECT_FALSE(expected.empty());
  for (const int threads : {2, 3}) {
    testing::AnyDevice device(threads);
    EXPECT_EQ(run(device, testing::Layout::Strided(1, 3)), expected) << threads;
  }
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_UNIT_KERNELS_ELEMENTWISE_RUNS_H_
