// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/positions.h"

#include <algorithm>
#include <cstdint>

#include "switchyard/base/check.h"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int32_t kDropped = -1;
constexpr int32_t kUnassigned = -2;

int32_t CheckedExpert(int32_t expert, int64_t experts) {
  SWITCHYARD_CHECK(0 <= expert && expert < experts)
      << "expert " << expert << " of " << experts;
  return expert;
}

// Counts every valid assignment in priority order (choice, then token) and
// marks in `positions` who is dropped (kDropped), kept (0) or assigned to
// nobody.
void CountAndMark(const PositionsArgs& args) {
  const int64_t tokens = args.experts.dim(0);
  const int64_t choices = args.experts.dim(1);
  const int64_t experts = args.assigned.dim(0);
  const int64_t limit = args.capacity == 0 ? INT32_MAX : args.capacity;
  const uint8_t* valid = args.valid.data<uint8_t>();
  int32_t* assigned = args.assigned.data<int32_t>();
  std::fill_n(assigned, experts, 0);
  for (int64_t j = 0; j < choices; ++j) {
    const int32_t* chosen = args.experts.data<int32_t>() + j;
    int32_t* positions = args.positions.data<int32_t>() + j;
    for (int64_t t = 0; t < tokens; ++t) {
      int32_t& mark = positions[t * args.positions.row_stride()];
      const int32_t choice = chosen[t * args.experts.row_stride()];
      if (valid[t] == 0 || choice == kNoExpert) {
        mark = kUnassigned;
        continue;
      }
      const int32_t expert = CheckedExpert(choice, experts);
      mark = assigned[expert]++ < limit ? 0 : kDropped;
    }
  }
}

}  // namespace

void Positions(const PositionsArgs& args) {
  CountAndMark(args);
  const int64_t tokens = args.experts.dim(0);
  const int64_t choices = args.experts.dim(1);
  int32_t* kept = args.kept.data<int32_t>();
  std::fill_n(kept, args.kept.dim(0), 0);
  for (int64_t t = 0; t < tokens; ++t) {
    const int32_t* chosen =
        args.experts.data<int32_t>() + t * args.experts.row_stride();
    int32_t* positions =
        args.positions.data<int32_t>() + t * args.positions.row_stride();
    for (int64_t j = 0; j < choices; ++j) {
      if (positions[j] == 0) positions[j] = kept[chosen[j]]++;
    }
  }
}

void RowIndex(const RowIndexArgs& args) {
  const int64_t tokens = args.experts.dim(0);
  const int64_t choices = args.experts.dim(1);
  const int32_t* base = args.base.data<int32_t>();
  for (int64_t t = 0; t < tokens; ++t) {
    const int32_t* chosen =
        args.experts.data<int32_t>() + t * args.experts.row_stride();
    const int32_t* positions =
        args.positions.data<int32_t>() + t * args.positions.row_stride();
    int32_t* rows = args.rows.data<int32_t>() + t * args.rows.row_stride();
    for (int64_t j = 0; j < choices; ++j) {
      rows[j] =
          positions[j] < 0 || chosen[j] == kNoExpert
              ? -1
              : base[CheckedExpert(chosen[j], args.base.dim(0))] + positions[j];
    }
  }
}

}  // namespace switchyard::kernels::cpu
