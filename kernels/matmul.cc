// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/matmul.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/matmul.h"
#include "switchyard/kernels/cpu/onednn_product.h"
#include "switchyard/kernels/cuda/matmul.h"

namespace switchyard::kernels {
namespace {

// fp32 or bf16 matrices of one dtype.
void CheckOperands(const ConstTensorView& a, const ConstTensorView& b) {
  CheckFloating(a);
  CheckRank(a, 2);
  CheckRank(b, 2);
  CheckDType(b, a.dtype());
}

int64_t RowsOf(const ConstTensorView& matrix, Transpose transpose) {
  return matrix.dim(transpose == Transpose::kYes ? 1 : 0);
}

int64_t ColumnsOf(const ConstTensorView& matrix, Transpose transpose) {
  return matrix.dim(transpose == Transpose::kYes ? 0 : 1);
}

void CheckResult(const ConstTensorView& c, DType operands) {
  SWITCHYARD_CHECK(
      c.dtype() == DType::kFloat32 ||
      (c.dtype() == DType::kBFloat16 && operands == DType::kBFloat16))
      << NameOf(c.dtype()) << " from " << NameOf(operands);
}

// Segments follow one another in a buffer of `rows` rows.
void CheckSegments(absl::Span<const Segment> segments, int64_t rows,
                   int64_t experts) {
  for (const Segment& segment : segments) {
    SWITCHYARD_CHECK(segment.expert >= 0 && segment.expert < experts &&
                     segment.row >= 0 && segment.rows >= 0 &&
                     segment.padded_rows == PaddedRows(segment.rows) &&
                     segment.row + segment.padded_rows <= rows)
        << "expert " << segment.expert << " of " << experts << ", rows "
        << segment.row << " + " << segment.rows << " (" << segment.padded_rows
        << ") of " << rows;
  }
}

// `count` parameters whose rows, in order, are the rows of [rows, columns].
void CheckGradients(const Stream& stream, const GradientSum* gradients,
                    int64_t count, int64_t rows, int64_t columns) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i) {
    CheckRank(gradients[i].sum, 2);
    CheckGradientSum(stream, gradients[i],
                     Shape{gradients[i].sum.dim(0), columns});
    found += gradients[i].sum.dim(0);
  }
  SWITCHYARD_CHECK(found == rows)
      << "gradients of " << found << " rows for " << rows;
}

}  // namespace

void MatMul(Stream& stream, const MatMulArgs& args) {
  CheckOperands(args.a, args.b);
  CheckResult(args.c, args.a.dtype());
  SWITCHYARD_CHECK(!args.accumulate || args.c.dtype() == DType::kFloat32)
      << "accumulate into " << NameOf(args.c.dtype());
  CheckShape(args.c, Shape{RowsOf(args.a, args.transpose_a),
                           ColumnsOf(args.b, args.transpose_b)});
  SWITCHYARD_CHECK(ColumnsOf(args.a, args.transpose_a) ==
                   RowsOf(args.b, args.transpose_b))
      << args.a.shape().ToString() << " times " << args.b.shape().ToString();
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::MatMul(stream, args));
  stream.Enqueue([args, threads = stream.device().threads()] {
    cpu::MatMul(args, threads);
  });
}

void WeightGradient(Stream& stream, const WeightGradientArgs& args) {
  CheckOperands(args.dy, args.x);
  CheckFixedPoint(args.format);
  CheckShape(args.x, Shape{args.dy.dim(0), args.x.dim(1)});
  CheckGradients(stream, args.gradients.data(), args.gradients.size(),
                 args.dy.dim(1), args.x.dim(1));
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::WeightGradient(stream, args));
  stream.Enqueue([args, threads = stream.device().threads()] {
    cpu::WeightGradient(args, threads);
  });
}

void GroupedMatMul(Stream& stream, const GroupedMatMulArgs& args) {
  CheckFloating(args.x);
  CheckRank(args.x, 2);
  CheckResult(args.y, args.x.dtype());
  CheckShape(args.y, Shape{args.x.dim(0), args.y.dim(1)});
  const int64_t in = args.x.dim(1), out = args.y.dim(1);
  for (const ConstTensorView& weight : args.weights) {
    CheckDType(weight, args.x.dtype());
    CheckShape(weight, args.transpose_w == Transpose::kYes ? Shape{out, in}
                                                           : Shape{in, out});
  }
  CheckSegments(args.segments, args.x.dim(0), args.weights.size());
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::GroupedMatMul(stream, args));
  stream.Enqueue([args, threads = stream.device().threads()] {
    cpu::GroupedMatMul(args, threads);
  });
}

void GroupedWeightGradient(Stream& stream,
                           const GroupedWeightGradientArgs& args) {
  CheckOperands(args.dy, args.x);
  CheckFixedPoint(args.format);
  CheckShape(args.x, Shape{args.dy.dim(0), args.x.dim(1)});
  const int64_t count = args.gradients.size(),
                per_expert = args.parameters_per_expert;
  SWITCHYARD_CHECK(per_expert >= 1 && count % per_expert == 0)
      << count << " gradients, " << per_expert << " an expert";
  for (int64_t first = 0; first < count; first += per_expert) {
    CheckGradients(stream, args.gradients.data() + first, per_expert,
                   args.dy.dim(1), args.x.dim(1));
  }
  CheckSegments(args.segments, args.x.dim(0), count / per_expert);
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::GroupedWeightGradient(stream, args));
  stream.Enqueue([args, threads = stream.device().threads()] {
    cpu::GroupedWeightGradient(args, threads);
  });
}

void PrepareDense(DType dtype, int64_t rows, int64_t in, int64_t out) {
  cpu::PrepareLayer(dtype, rows, in, out);
}

void PrepareGrouped(DType dtype, int64_t max_rows, int64_t in, int64_t out) {
  for (int64_t rows : PaddedRowList(max_rows)) {
    cpu::PrepareLayer(dtype, rows, in, out);
  }
  cpu::CheckJoining(dtype, Transpose::kYes, in, out);
  cpu::PrepareJoined(dtype, Transpose::kYes, in, out);
  cpu::CheckJoining(dtype, Transpose::kNo, out, in);
  cpu::PrepareJoined(dtype, Transpose::kNo, out, in);
}

int64_t MatMulPrimitiveCount() { return cpu::OneDnnPrimitiveCount(); }

}  // namespace switchyard::kernels
