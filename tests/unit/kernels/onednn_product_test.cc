// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// oneDNN makes bf16 products where the processor does. Its wrapper is tested
// everywhere with fp32 operands, which take the same way.
#include "switchyard/kernels/cpu/onednn_product.h"

#include <omp.h>

#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/cpu/parallel_for.h"
#include "switchyard/kernels/cpu/product.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/product_oracle.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels::cpu {
namespace {

using switchyard::testing::AllNear;
using switchyard::testing::Layout;
using switchyard::testing::Oracle;
using switchyard::testing::RandomValues;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;

constexpr int64_t kRows = 300, kColumns = 530;

struct Case {
  DType dtype = DType::kFloat32;
  int64_t inner = 0;
  bool transposed_a = false, transposed_b = false;
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    if (dtype == DType::kBFloat16 && !HasBFloat16Products()) continue;
    // Of one element, odd, and more than oneDNN takes at once.
    for (const int64_t inner : {1, 31, 40, 1500}) {
      for (const bool a : {false, true}) {
        for (const bool b : {false, true}) {
          cases.push_back({dtype, inner, a, b});
        }
      }
    }
  }
  return cases;
}

TestTensor Compute(Device& device, const Case& c, const std::vector<double>& a,
                   const std::vector<double>& b, Layout layout = {}) {
  const Shape a_shape =
      c.transposed_a ? Shape{c.inner, kRows} : Shape{kRows, c.inner};
  const Shape b_shape =
      c.transposed_b ? Shape{kColumns, c.inner} : Shape{c.inner, kColumns};
  const TestTensor a_tensor(device, c.dtype, a_shape, a, layout);
  const TestTensor b_tensor(device, c.dtype, b_shape, b, layout);
  TestTensor result(device, DType::kFloat32, {kRows, kColumns}, layout);
  const auto transpose = [](bool yes) {
    return yes ? Transpose::kYes : Transpose::kNo;
  };
  GemmArgs args;
  args.a = Operand(a_tensor, transpose(c.transposed_a));
  args.b = Operand(b_tensor, transpose(c.transposed_b));
  args.inner = c.inner;
  args.c.data = result.view().raw();
  args.c.stride = result.view().row_stride();
  const BlockGrid grid(kRows, kColumns);
  ParallelFor(device.threads(), grid.count(),
              [&](int64_t i) { OneDnnBlock(args, grid.At(i)); });
  return result;
}

TEST(OneDnnProductTest, AgreesWithTheOracleOnAnyLayoutAndThreads) {
  CpuDevice one(1), three(3);
  for (const Case& c : Cases()) {
    const auto a = RandomValues(1, kRows * c.inner, -1, 1, c.dtype);
    const auto b = RandomValues(2, c.inner * kColumns, -1, 1, c.dtype);
    const auto oracle = Oracle({a, kRows, c.inner, c.transposed_a},
                               {b, c.inner, kColumns, c.transposed_b});
    const TestTensor result = Compute(one, c, a, b);
    EXPECT_TRUE(AllNear(result.Read(), oracle.values,
                        oracle.Tolerance(DType::kFloat32)));
    EXPECT_TRUE(SameBits(result, Compute(three, c, a, b)));
    EXPECT_TRUE(SameBits(result, Compute(one, c, a, b, Layout::Strided(5, 3))));
  }
}

TEST(OneDnnProductTest, MakesAPrimitiveOnceAShape) {
  const OneDnnShape shape = {24, 16, 8, DType::kFloat32, false, true};
  const int64_t before = OneDnnPrimitiveCount();
  PrepareOneDnnProduct(shape);
  PrepareOneDnnProduct(shape);
  EXPECT_EQ(OneDnnPrimitiveCount(), before + 1);
  const std::vector<float> a(24 * 8, 2.0f), b(16 * 8, 3.0f);
  std::vector<float> c(24 * 16, -1.0f);
  OneDnnProduct(shape, a.data(), b.data(), c.data());
  EXPECT_EQ(c, std::vector<float>(24 * 16, 48.0f));
  EXPECT_EQ(OneDnnPrimitiveCount(), before + 1);
  OneDnnShape other = shape;
  other.transposed_a = true;
  PrepareOneDnnProduct(other);
  EXPECT_EQ(OneDnnPrimitiveCount(), before + 2);
}

TEST(OneDnnProductTest, LeavesTheCallersThreadsAlone) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(before + 1);
  PrepareOneDnnProduct({8, 8, 8, DType::kFloat32, false, false});
  EXPECT_EQ(omp_get_max_threads(), before + 1);
  omp_set_num_threads(before);
}

}  // namespace
}  // namespace switchyard::kernels::cpu
