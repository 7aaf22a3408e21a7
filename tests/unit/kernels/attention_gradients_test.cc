// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The gradients of attention are those of its formula.
#include <cmath>

#include "gtest/gtest.h"
#include "switchyard/kernels/attention.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/rounding.h"
#include "switchyard/tests/support/test_tensor.h"
#include "switchyard/tests/unit/kernels/attention_cases.h"
#include "switchyard/tests/unit/kernels/attention_oracle.h"
#include "switchyard/tests/unit/kernels/attention_tensors.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::TestTensor;
using switchyard::testing::UnitRoundoff;

using Inputs = AttentionInputs;
using Tensors = AttentionTensors;

class AttentionDerivativeTest : public ::testing::TestWithParam<int64_t> {};

TEST_P(AttentionDerivativeTest, OracleIsTheDerivative) {
  SWITCHYARD_CPU_ONLY();
  const AttentionCase c = {2, 4, 4, 2, 3, GetParam()};
  Inputs in(c, DType::kFloat32);
  const Values out = AttentionOracle(c, in.q, in.k, in.v).out;
  const AttentionGradients gradients =
      AttentionBackwardOracle(c, in.q, in.k, in.v, out, in.dout);
  const auto check = [&](Values& values, const Values& gradient) {
    for (size_t i = 0; i < values.size(); ++i) {
      const double kept = values[i], h = 1e-5;  // errors: h² and 1e-15 / h
      values[i] = kept + h;
      const Values up = AttentionOracle(c, in.q, in.k, in.v).out;
      values[i] = kept - h;
      const Values down = AttentionOracle(c, in.q, in.k, in.v).out;
      values[i] = kept;
      double difference = 0;
      for (size_t j = 0; j < up.size(); ++j) {
        difference += (up[j] - down[j]) * in.dout[j] / (2 * h);
      }
      EXPECT_NEAR(gradient[i], difference, 1e-8) << i;
    }
  };
  check(in.q, gradients.dq);
  check(in.k, gradients.dk);
  check(in.v, gradients.dv);
}

INSTANTIATE_TEST_SUITE_P(Windows, AttentionDerivativeTest,
                         ::testing::Values(0, 1, 2, 3));

TEST(AttentionBackwardTest, AgreesWithDoubles) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  for (const AttentionCase& c : AttentionCases()) {
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
      const Inputs in(c, dtype);
      const double score_size = AttentionOracle(c, in.q, in.k, in.v).score_size;
      // Each addend has the error of its weight and of two sums of head_dim
      // products; heads · length addends are summed.
      const double relative =
          WeightError(c, score_size) +
          static_cast<double>(2 * c.head_dim + c.heads / c.kv_heads * c.length +
                              8) *
              0x1p-24;
      for (const Layout layout : AttentionLayouts(dtype)) {
        Arena arena(device);
        Tensors t(device, c, dtype, in, layout);
        t.Forward(*stream, arena, c);
        t.Backward(*stream, arena, c);
        stream->Wait();
        const AttentionGradients expected =
            AttentionBackwardOracle(c, in.q, in.k, in.v, t.out.Read(), in.dout);
        const auto near = [&](const TestTensor& actual, const Values& gradient,
                              Values tolerance, const Values& terms) {
          for (size_t i = 0; i < tolerance.size(); ++i) {
            tolerance[i] *= relative;
            if (dtype == DType::kBFloat16) {
              tolerance[i] += UnitRoundoff(dtype) * std::abs(gradient[i]);
            }
            if (RoundsWeights(c, dtype)) {
              tolerance[i] += UnitRoundoff(dtype) * terms[i];
            }
          }
          return AllNear(actual.Read(), gradient, tolerance);
        };
        EXPECT_TRUE(
            near(t.dq, expected.dq, expected.dq_size, expected.dq_terms))
            << NameOfCase(c, dtype);
        EXPECT_TRUE(
            near(t.dk, expected.dk, expected.dk_size, expected.dk_terms))
            << NameOfCase(c, dtype);
        EXPECT_TRUE(near(t.dv, expected.dv, expected.dv_size, expected.dv_size))
            << NameOfCase(c, dtype);
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels
