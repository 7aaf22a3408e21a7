// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/dropout.h"

#include "switchyard/kernels/checks.h"
#include "switchyard/kernels/cpu/dropout.h"
#include "switchyard/kernels/cuda/dropout.h"

namespace switchyard::kernels {

void SegmentDropout(Stream& stream, const SegmentDropoutArgs& args) {
  CheckFloating(args.x);
  CheckRank(args.x, 2);
  SWITCHYARD_CHECK(args.keys.size() == args.segments.size())
      << "expected a key for each of " << args.segments.size()
      << " segments, found " << args.keys.size();
  SWITCHYARD_CHECK(args.rate >= 0.0 && args.rate < 1.0)
      << "expected a rate of at least 0 and below 1, found " << args.rate;
  for (const Segment& segment : args.segments) {
    SWITCHYARD_CHECK(segment.row >= 0 && segment.rows >= 0 &&
                     segment.row + segment.rows <= args.x.dim(0))
        << "expected segments within " << args.x.dim(0) << " rows, found "
        << segment.rows << " from " << segment.row;
  }
  SWITCHYARD_RETURN_IF_CUDA(stream, cuda::SegmentDropout(stream, args));
  const int threads = stream.device().threads();
  stream.Enqueue([args, threads] { cpu::SegmentDropout(args, threads); });
}

}  // namespace switchyard::kernels
