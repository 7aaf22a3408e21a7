// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/embedding.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

TEST(EmbeddingTest, CopiesRows) {
  AnyDevice device(2);
  const auto stream = device.NewStream();
  const int64_t vocabulary = 50;
  for (const int64_t tokens : {0, 1, 33, 1000}) {
    for (const int64_t width : {1, 31, 32, 33}) {
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
        for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
          const Values table =
              RandomValues(1, vocabulary * width, -1, 1, dtype);
          const Values ids = RandomIntegers(2, tokens, 0, vocabulary - 1);
          Values expected;
          for (double id : ids) {
            const auto row = table.begin() + static_cast<int64_t>(id) * width;
            expected.insert(expected.end(), row, row + width);
          }
          TestTensor table_tensor(device, dtype, {vocabulary, width}, table,
                                  layout);
          TestTensor id_tensor(device, DType::kInt32, {tokens}, ids);
          TestTensor y(device, dtype, {tokens, width}, layout);
          Embedding(*stream, table_tensor, id_tensor, y);
          stream->Wait();
          EXPECT_TRUE(AllEqual(y.Read(), expected));
        }
      }
    }
  }
}

struct Case {
  int64_t vocabulary, tokens, width;
  Values dy, ids;
};

Case RandomCase(int64_t vocabulary, int64_t tokens, int64_t width,
                DType dtype) {
  return {vocabulary, tokens, width,
          RandomValues(1, tokens * width, -1, 1, dtype),
          RandomIntegers(2, tokens, 0, vocabulary - 1)};
}

// Adds the tokens of each row in order in fp32, then rounds once. Operations on
// single floats leave the compiler no freedom.
std::vector<uint64_t> Oracle(const Case& c, int64_t before) {
  std::vector<uint64_t> sum;
  for (int64_t r = 0; r < c.vocabulary; ++r) {
    for (int64_t i = 0; i < c.width; ++i) {
      float total = 0;
      for (int64_t t = 0; t < c.tokens; ++t) {
        if (c.ids[t] == r) total += static_cast<float>(c.dy[t * c.width + i]);
      }
      const int64_t units = std::llrint(std::ldexp(double{total}, 44));
      sum.push_back(static_cast<uint64_t>(before + units));
    }
  }
  return sum;
}

// Likewise, of one column and few tokens.
std::vector<uint64_t> SparseOracle(const Case& c) {
  std::vector<float> total(c.vocabulary, 0.0f);
  for (int64_t t = 0; t < c.tokens; ++t) {
    total[static_cast<int64_t>(c.ids[t])] += static_cast<float>(c.dy[t]);
  }
  std::vector<uint64_t> sum;
  for (const float x : total) {
    sum.push_back(
        static_cast<uint64_t>(std::llrint(std::ldexp(double{x}, 44))));
  }
  return sum;
}

std::vector<uint64_t> Gradient(Device& device, const Case& c, DType dtype,
                               int64_t before, Layout layout = {}) {
  const auto stream = device.NewStream();
  Arena arena(device);
  TestTensor dy(device, dtype, {c.tokens, c.width}, c.dy, layout);
  TestTensor ids(device, DType::kInt32, {c.tokens}, c.ids);
  TestTensor sum(device, DType::kInt64, {c.vocabulary, c.width},
                 Values(c.vocabulary * c.width, static_cast<double>(before)),
                 layout);
  TestTensor refused(device, DType::kInt64, {1}, {0});
  EmbeddingGradient(*stream, arena,
                    {dy, ids, {}, {sum.view(), refused.view()}});
  // The arena's memory is used in turn by what comes next.
  EmbeddingGradient(*stream, arena,
                    {dy.view().Rows(0, 0),
                     ids.view().Rows(0, 0),
                     {},
                     {sum.view(), refused.view()}});
  stream->Wait();
  EXPECT_EQ(refused.Read()[0], 0);
  return sum.Bits();
}

TEST(EmbeddingGradientTest, AddsInTokenOrderAndRoundsOnce) {
  AnyDevice device(2);
  for (const int64_t tokens : {0, 1, 33, 1000}) {
    for (const int64_t width : {1, 8, 33}) {
      for (const int64_t vocabulary : {1, 20, 300}) {
        for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
          const Case c = RandomCase(vocabulary, tokens, width, dtype);
          EXPECT_EQ(Gradient(device, c, dtype, 0), Oracle(c, 0));
          EXPECT_EQ(Gradient(device, c, dtype, 7, Layout::Strided(3, 1)),
                    Oracle(c, 7));
        }
      }
    }
  }
}

TEST(EmbeddingGradientTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Case c = RandomCase(256, 1000, 64, DType::kFloat32);
  AnyDevice one(1, AnyDevice::kGuarded);
  AnyDevice two(2), three(3);
  const auto bits = Gradient(one, c, DType::kFloat32, 0);
  EXPECT_EQ(Gradient(two, c, DType::kFloat32, 0), bits);
  EXPECT_EQ(Gradient(three, c, DType::kFloat32, 0), bits);
}

TEST(EmbeddingGradientTest, RefusesWhatIsNotFiniteOrTooLarge) {
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const double inf = std::numeric_limits<double>::infinity();
  // Row 1 sums to (NaN, 2, 3); row 0 to (1, limit, -1).
  TestTensor dy(device, DType::kFloat32, {3, 3},
                {inf, 1, 1, 1, 1024, -1, -inf, 1, 2});
  TestTensor ids(device, DType::kInt32, {3}, {1, 0, 1});
  TestTensor sum(device, DType::kInt64, {2, 3}, Values(6, 0));
  TestTensor refused(device, DType::kInt64, {1}, {10});
  EmbeddingGradient(*stream, arena,
                    {dy, ids, {4, 1024.0f}, {sum.view(), refused.view()}});
  stream->Wait();
  EXPECT_TRUE(AllEqual(sum.Read(), {16, 0, -16, 0, 32, 48}));
  EXPECT_TRUE(AllEqual(refused.Read(), {12}));
}

// A batch of one id alone, and ids of every digit of a large vocabulary.
TEST(EmbeddingGradientTest, TakesLongRunsAndLargeVocabularies) {
  AnyDevice device(2);
  Case one = RandomCase(3, 5000, 5, DType::kFloat32);
  one.ids.assign(5000, 1.0);
  EXPECT_EQ(Gradient(device, one, DType::kFloat32, 0), Oracle(one, 0));
  const Case many = RandomCase(70000, 3000, 1, DType::kFloat32);
  EXPECT_EQ(Gradient(device, many, DType::kFloat32, 0), SparseOracle(many));
}

// A sum in fp32: each row's leaf is added to it in fp32.
TEST(EmbeddingGradientTest, AGpuAddsInFp32Too) {
  SWITCHYARD_CUDA_ONLY();
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const int64_t width : {1, 33, 64}) {
    Case c = RandomCase(20, 200, width, DType::kFloat32);
    c.dy[5 * width] = nan;  // one element of its id's leaf
    const Values before = RandomValues(9, c.vocabulary * width);
    Values expected = before;
    for (int64_t r = 0; r < c.vocabulary; ++r) {
      for (int64_t i = 0; i < width; ++i) {
        float leaf = 0;
        for (int64_t t = 0; t < c.tokens; ++t) {
          if (c.ids[t] == r) leaf += static_cast<float>(c.dy[t * width + i]);
        }
        double& sum = expected[r * width + i];
        if (std::isfinite(leaf)) sum = static_cast<float>(sum) + leaf;
      }
    }
    TestTensor dy(device, DType::kFloat32, {c.tokens, width}, c.dy);
    TestTensor ids(device, DType::kInt32, {c.tokens}, c.ids);
    TestTensor sum(device, DType::kFloat32, {c.vocabulary, width}, before,
                   Layout::Strided(2, 1));
    TestTensor refused(device, DType::kInt64, {1}, {4});
    EmbeddingGradient(*stream, arena,
                      {dy, ids, {}, {sum.view(), refused.view()}});
    stream->Wait();
    EXPECT_TRUE(AllEqual(sum.Read(), expected));
    EXPECT_TRUE(AllEqual(refused.Read(), {5}));
  }
}

TEST(EmbeddingDeathTest, AFormatInWhichSumsOverflowIsABug) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  TestTensor dy(device, DType::kFloat32, {1, 2}, {1, 2});
  TestTensor ids(device, DType::kInt32, {1}, {0});
  TestTensor sum(device, DType::kInt64, {3, 2}, Values(6, 0));
  TestTensor refused(device, DType::kInt64, {1}, {0});
  EXPECT_DEATH(EmbeddingGradient(*stream, arena,
                                 {dy, ids, {44, 0x1p20f}, {sum, refused}}),
               "44 bits, limit");
  TestTensor narrow(device, DType::kInt64, {3, 1}, Values(3, 0));
  EXPECT_DEATH(
      EmbeddingGradient(*stream, arena, {dy, ids, {}, {narrow, refused}}),
      "expected \\[3, 2\\], found \\[3, 1\\]");
}

TEST(EmbeddingDeathTest, AnIdOutsideTheTableIsABug) {
  SWITCHYARD_CPU_ONLY();
  CpuDevice device;
  const auto stream = device.NewStream();
  TestTensor table(device, DType::kFloat32, {4, 1}, {1, 2, 3, 4});
  TestTensor ids(device, DType::kInt32, {1}, {4});
  TestTensor y(device, DType::kFloat32, {1, 1});
  EXPECT_DEATH(Embedding(*stream, table, ids, y), "id 4 of a table of 4 rows");
}

// A GPU's kernel ends, and then the process: at the next call of CUDA.
TEST(EmbeddingDeathTest, AnIdOutsideTheTableIsABugOnAGpuToo) {
  SWITCHYARD_CUDA_ONLY();
  // A process that has used a GPU cannot fork.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  AnyDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  TestTensor table(device, DType::kFloat32, {4, 1}, {1, 2, 3, 4});
  TestTensor good(device, DType::kInt32, {1}, {3});
  TestTensor y(device, DType::kFloat32, {1, 1});
  TestTensor sum(device, DType::kInt64, {4, 1}, Values(4, 0));
  TestTensor refused(device, DType::kInt64, {1}, {0});
  Embedding(*stream, table, good, y);
  stream->Wait();
  for (const double id : {-1.0, 4.0}) {
    TestTensor ids(device, DType::kInt32, {1}, {id});
    EXPECT_DEATH(
        {
          Embedding(*stream, table, ids, y);
          stream->Wait();
        },
        "cudaErrorLaunchFailure");
    EXPECT_DEATH(
        {
          EmbeddingGradient(*stream, arena, {y, ids, {}, {sum, refused}});
          stream->Wait();
        },
        "cudaErrorLaunchFailure");
  }
}

}  // namespace
}  // namespace switchyard::kernels
