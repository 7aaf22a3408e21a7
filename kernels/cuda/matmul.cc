// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cuda/matmul.h"

#include <algorithm>
#include <vector>

#include "switchyard/base/cuda/cuda_stream.h"
#include "switchyard/base/cuda/stream_scratch.h"
#include "switchyard/kernels/cuda/blas.h"
#include "switchyard/kernels/fixed_point.h"

namespace switchyard::kernels::cuda {
namespace {

// Rows that are one product: those of a segment, or of all of an expert's.
struct Piece {
  int expert = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

// Padding rows are zero, so they may be part of a product. Segments of an
// expert follow one another.
std::vector<Piece> PiecesOf(absl::Span<const Segment> segments, bool join) {
  std::vector<Piece> pieces;
  for (const Segment& segment : segments) {
    if (segment.padded_rows == 0) continue;
    const int64_t end = segment.row + segment.padded_rows;
    if (join && !pieces.empty() && pieces.back().expert == segment.expert &&
        pieces.back().end == segment.row) {
      pieces.back().end = end;
    } else {
      pieces.push_back({segment.expert, segment.row, end});
    }
  }
  return pieces;
}

// Whether each keeps a GPU busy by itself: then calls one after the other are
// faster, for they use kernels that the grouped call does not have.
bool FillGpu(const std::vector<RaggedProduct>& products) {
  constexpr int64_t kRows = 1024;  // on average
  int64_t rows = 0;
  for (const RaggedProduct& product : products) rows += product.c.dim(0);
  return rows >= kRows * static_cast<int64_t>(products.size());
}

// Adds dyᵀ · x to sums whose rows, in order, are the columns of dy.
class GradientAdder {
 public:
  // For leaves of at most `rows` rows.
  GradientAdder(CudaStream& stream, const FixedPoint& format, int64_t rows,
                int64_t columns, DType sums)
      : stream_(stream),
        format_(format),
        columns_(columns),
        leaf_(stream, sums == DType::kInt64 ? rows * columns : 0) {}

  void Add(const ConstTensorView& dy, const ConstTensorView& x,
           absl::Span<const GradientSum> gradients) {
    int64_t row = 0;
    for (const GradientSum& gradient : gradients) {
      const int64_t rows = gradient.sum.dim(0);
      AddTo(dy.Columns(row, row + rows), x, gradient);
      row += rows;
    }
  }

 private:
  void AddTo(const ConstTensorView& dy, const ConstTensorView& x,
             const GradientSum& gradient) {
    MatMulArgs product;
    product.a = dy;
    product.transpose_a = Transpose::kYes;
    product.b = x;
    if (gradient.sum.dtype() == DType::kFloat32) {
      product.c = gradient.sum;
      product.accumulate = true;
      Multiply(stream_, product);
      return;
    }
    product.c = TensorView(leaf_.data(), DType::kFloat32,
                           {gradient.sum.dim(0), columns_});
    Multiply(stream_, product);
    AddToFixedPoint(stream_, product.c, format_, gradient);
  }

  CudaStream& stream_;
  const FixedPoint format_;
  const int64_t columns_;
  const StreamScratch<float> leaf_;
};

int64_t MostRows(absl::Span<const GradientSum> gradients) {
  int64_t most = 0;
  for (const GradientSum& gradient : gradients) {
    most = std::max(most, gradient.sum.dim(0));
  }
  return most;
}

}  // namespace

void MatMul(Stream& stream, const MatMulArgs& args) {
  Multiply(CudaStreamOf(stream), args);
}

void WeightGradient(Stream& stream, const WeightGradientArgs& args) {
  if (args.x.dim(0) == 0 || args.gradients.empty()) return;
  GradientAdder adder(CudaStreamOf(stream), args.format,
                      MostRows(args.gradients), args.x.dim(1),
                      args.gradients[0].sum.dtype());
  adder.Add(args.dy, args.x, args.gradients);
}

void GroupedMatMul(Stream& stream, const GroupedMatMulArgs& args) {
  CudaStream& cuda = CudaStreamOf(stream);
  std::vector<RaggedProduct> products;
  for (const Piece& piece : PiecesOf(args.segments, args.join_segments)) {
    products.push_back({args.x.Rows(piece.begin, piece.end),
                        args.weights[piece.expert],
                        args.y.Rows(piece.begin, piece.end)});
  }
  // The grouped call picks one kernel for all its products: the bits of one
  // follow from the others. Nor does it widen.
  const bool groups = args.join_segments && args.x.dtype() == args.y.dtype() &&
                      !FillGpu(products);
  if (groups) {
    MultiplyRagged(cuda, products, args.transpose_w);
    return;
  }
  for (const RaggedProduct& product : products) {
    Multiply(cuda, {.a = product.a,
                    .b = product.b,
                    .transpose_b = args.transpose_w,
                    .c = product.c});
  }
}

void GroupedWeightGradient(Stream& stream,
                           const GroupedWeightGradientArgs& args) {
  if (args.gradients.empty()) return;
  const bool integers = args.gradients[0].sum.dtype() == DType::kInt64;
  GradientAdder adder(CudaStreamOf(stream), args.format,
                      MostRows(args.gradients), args.x.dim(1),
                      args.gradients[0].sum.dtype());
  // A leaf is a segment's where sums are integers.
  for (const Piece& piece : PiecesOf(args.segments, /*join=*/!integers)) {
    adder.Add(args.dy.Rows(piece.begin, piece.end),
              args.x.Rows(piece.begin, piece.end),
              args.gradients.subspan(piece.expert * args.parameters_per_expert,
                                     args.parameters_per_expert));
  }
}

}  // namespace switchyard::kernels::cuda
