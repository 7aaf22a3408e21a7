// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What is prepared before the first step is all that a step asks oneDNN for.
// Processors without bf16 products never ask it, so in this program it makes
// fp32 products, which take the same way.
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/arena.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/kernels/cpu/matmul.h"
#include "switchyard/kernels/cpu/product.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/kernels/lm_head.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels::cpu {

bool UsesOneDnn(DType dtype) {
  return dtype == DType::kFloat32 || HasBFloat16Products();
}

}  // namespace switchyard::kernels::cpu

namespace switchyard::kernels {
namespace {

using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::SameBits;
using switchyard::testing::TestTensor;

std::vector<DType> DTypes() {
  if (HasBFloat16Products()) return {DType::kFloat32, DType::kBFloat16};
  return {DType::kFloat32};
}

// A gradient's sums.
struct Sums {
  Sums(Device& device, const Shape& shape)
      : sum(device, DType::kInt64, shape,
            std::vector<double>(shape.element_count(), 0.0)),
        refused(device, DType::kInt64, {1}, {0}),
        gradient{sum, refused} {}
  TestTensor sum, refused;
  GradientSum gradient;
};

// How many primitives prepare(), then run(), made.
template <typename Prepare, typename Run>
void ExpectAllArePrepared(const Prepare& prepare, const Run& run) {
  const int64_t before = MatMulPrimitiveCount();
  prepare();
  const int64_t prepared = MatMulPrimitiveCount();
  EXPECT_GT(prepared, before);
  run();
  EXPECT_EQ(MatMulPrimitiveCount(), prepared);
}

TEST(PreparedProductsTest, OfADenseLayer) {
  CpuDevice device;
  const auto stream = device.NewStream();
  for (const DType dtype : DTypes()) {
    // More than a block in every direction.
    constexpr int64_t kRows = 300, kIn = 530, kOut = 290;
    const TestTensor x(device, dtype, {kRows, kIn},
                       RandomValues(1, kRows * kIn));
    const TestTensor w(device, dtype, {kOut, kIn}, RandomValues(2, kOut * kIn));
    TestTensor y(device, dtype, {kRows, kOut}), dx(device, dtype, {kRows, kIn});
    const Sums sums(device, {kOut, kIn});
    ExpectAllArePrepared(
        [&] { PrepareDense(dtype, kRows, kIn, kOut); },
        [&] {
          MatMul(*stream, {x, Transpose::kNo, w, Transpose::kYes, y});
          MatMul(*stream, {y, Transpose::kNo, w, Transpose::kNo, dx});
          WeightGradient(*stream, {y, x, {}, {&sums.gradient, 1}});
          stream->Wait();
        });
  }
}

TEST(PreparedProductsTest, OfTheLanguageModelHead) {
  CpuDevice device;
  const auto stream = device.NewStream();
  Arena arena(device);
  constexpr int64_t kWidth = 24, kVocabulary = 700;
  for (const DType dtype : DTypes()) {
    // Less than a chunk, whole chunks, and a rest.
    for (const int64_t tokens : {40, 256, 600}) {
      const TestTensor x(device, dtype, {tokens, kWidth},
                         RandomValues(1, tokens * kWidth));
      const TestTensor weight(device, dtype, {kVocabulary, kWidth},
                              RandomValues(2, kVocabulary * kWidth));
      const TestTensor labels(device, DType::kInt32, {tokens},
                              RandomIntegers(3, tokens, 0, kVocabulary - 1));
      TestTensor loss(device, DType::kFloat64, {1});
      TestTensor dx(device, dtype, {tokens, kWidth});
      const Sums sums(device, {kVocabulary, kWidth});
      LmHeadLossArgs args;
      args.x = x;
      args.weight = weight;
      args.labels = labels;
      args.loss_sum = loss;
      args.dx = dx;
      args.gradient = sums.gradient;
      ExpectAllArePrepared(
          [&] { PrepareLmHead(dtype, tokens, kWidth, kVocabulary); },
          [&] {
            LmHeadLoss(*stream, arena, args);
            stream->Wait();
          });
    }
  }
}

// Rows of segments of one expert, and of another.
std::vector<Segment> Segments(const std::vector<int64_t>& first,
                              const std::vector<int64_t>& second) {
  std::vector<Segment> segments;
  int64_t row = 0;
  for (const auto* sizes : {&first, &second}) {
    const int expert = sizes == &second;
    for (const int64_t rows : *sizes) {
      segments.push_back({expert, row, rows, PaddedRows(rows)});
      row += PaddedRows(rows);
    }
  }
  return segments;
}

// Runs both directions of a layer, and its weight gradient, on segments.
struct GroupedLayer {
  GroupedLayer(Device& device, DType dtype, int64_t in, int64_t out,
               std::vector<Segment> all)
      : segments(std::move(all)),
        rows(segments.back().row + segments.back().padded_rows),
        x(device, dtype, {rows, in}, RandomValues(1, rows * in)),
        w(device, dtype, {out, in}, RandomValues(2, out * in)),
        y(device, dtype, {rows, out}),
        dx(device, dtype, {rows, in}),
        first(device, {out, in}),
        second(device, {out, in}),
        stream(device.NewStream()) {}

  void Multiply() {
    const std::vector<ConstTensorView> weights = {w, w};
    GroupedMatMul(*stream, {x, weights, Transpose::kYes, segments, y});
    GroupedMatMul(*stream, {y, weights, Transpose::kNo, segments, dx});
    const std::vector<GradientSum> gradients = {first.gradient,
                                                second.gradient};
    GroupedWeightGradient(*stream, {y, x, segments, {}, gradients});
    stream->Wait();
  }

  const std::vector<Segment> segments;
  const int64_t rows;
  const TestTensor x, w;
  TestTensor y, dx;
  const Sums first, second;
  const std::unique_ptr<Stream> stream;
};

// Products of one term are rounded once, so they may be joined whoever makes
// them: forward in the first shape, backward in the second. Of the others only
// oneDNN knows.
constexpr int64_t kShapes[][2] = {{1, 24}, {24, 1}, {2, 8}, {32, 24}};

TEST(PreparedProductsTest, OfSegmentsJoinedOrNot) {
  CpuDevice device;
  for (const DType dtype : DTypes()) {
    for (const auto& [in, out] : kShapes) {
      // Each is a listed size up to 48; together they are none.
      GroupedLayer layer(device, dtype, in, out,
                         Segments({48, 41, 1, 48, 33, 48, 48}, {5, 30}));
      ExpectAllArePrepared(
          [&, in = in, out = out] { PrepareGrouped(dtype, 48, in, out); },
          [&] { layer.Multiply(); });
      EXPECT_TRUE(in > 1 || cpu::MayJoin(dtype, Transpose::kYes, in, out));
      EXPECT_TRUE(out > 1 || cpu::MayJoin(dtype, Transpose::kNo, out, in));
    }
  }
}

// oneDNN's products are joined only where that was tried.
TEST(PreparedProductsTest, JoiningChangesNoBit) {
  CpuDevice device;
  for (const DType dtype : DTypes()) {
    for (const auto& [in, out] : {std::pair<int64_t, int64_t>{1, 530},
                                  {72, 56},
                                  {20, 530},
                                  {96, 12},
                                  {300, 64},
                                  {48, 48}}) {
      const auto segments =
          Segments({32, 64, 96, 160, 24, 40, 200, 256, 8}, {128, 224, 192});
      GroupedLayer apart(device, dtype, in, out, segments);
      ASSERT_FALSE(cpu::MayJoin(dtype, Transpose::kYes, in, out));
      apart.Multiply();
      PrepareGrouped(dtype, 8, in, out);
      GroupedLayer together(device, dtype, in, out, segments);
      together.Multiply();
      EXPECT_TRUE(SameBits(apart.y, together.y)) << in << " " << out;
      EXPECT_TRUE(SameBits(apart.dx, together.dx)) << in << " " << out;
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels
