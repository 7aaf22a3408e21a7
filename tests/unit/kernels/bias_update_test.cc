// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/bias_update.h"

#include <vector>

#include "gtest/gtest.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AnyDevice;
using switchyard::testing::TestTensor;
using Values = std::vector<double>;

Values Update(const Values& counts, const Values& biases) {
  AnyDevice device(1, AnyDevice::kGuarded);
  const auto stream = device.NewStream();
  const Shape shape = {static_cast<int64_t>(counts.size())};
  TestTensor count(device, DType::kInt64, shape, counts);
  TestTensor bias(device, DType::kFloat32, shape, biases);
  BiasUpdate(*stream, {count, 0.125f, bias});
  stream->Wait();
  return bias.Read();
}

TEST(BiasUpdateTest, ClosedForm) {
  // A mean of 4: above, equal, below, below.
  EXPECT_TRUE(
      AllEqual(Update({9, 4, 3, 0}, {1, 2, 0, -1}), {0.875, 2, 0.125, -0.875}));
  // A mean of 2.5 has no equal.
  EXPECT_TRUE(AllEqual(Update({3, 2, 5, 0}, {0, 0, 0, 0}),
                       {-0.125, 0.125, -0.125, 0.125}));
}

TEST(BiasUpdateTest, TiesAndEmptyStepsChangeNothing) {
  EXPECT_TRUE(AllEqual(Update({7, 7, 7}, {1, 2, 3}), {1, 2, 3}));
  EXPECT_TRUE(AllEqual(Update({0, 0, 0}, {1, 2, 3}), {1, 2, 3}));
  EXPECT_TRUE(AllEqual(Update({5}, {1}), {1}));
}

// More experts than a block of a GPU has threads.
TEST(BiasUpdateTest, ManyExperts) {
  Values counts, expected;
  for (int e = 0; e < 1001; ++e) {
    counts.push_back(e % 3);  // 1000 in all: a mean just below 1
    expected.push_back(e % 3 == 0 ? 0.125 : -0.125);
  }
  EXPECT_TRUE(AllEqual(Update(counts, Values(1001, 0.0)), expected));
}

TEST(BiasUpdateTest, ComparesAsIntegers) {
  // One apart, where doubles of count · E could not tell.
  const double large = 0x1p52;
  EXPECT_TRUE(AllEqual(Update({large, large + 1, large + 2}, {0, 0, 0}),
                       {0.125, 0, -0.125}));
}

}  // namespace
}  // namespace switchyard::kernels
