// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/positions.h"

#include <algorithm>
#include <cstdint>

#include "switchyard/kernels/cpu/chosen_experts.h"
#include "switchyard/kernels/cpu/row_runs.h"
#include "switchyard/kernels/cpu/thread_scratch.h"
#include "switchyard/kernels/no_expert.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int32_t kKept = 0;  // until rows are numbered
constexpr int32_t kDropped = -1;
constexpr int32_t kUnassigned = -2;

struct TakenRows {};

// Gives places in the order of priority, scope by scope.
class Placement {
 public:
  explicit Placement(const PositionsArgs& args)
      : args_(args),
        choices_(args.experts.dim(1)),
        experts_(args.assigned.dim(0)),
        limit_(args.capacity == 0 ? INT32_MAX : args.capacity),
        taken_(ThreadScratch<TakenRows, int32_t>(experts_)),
        assigned_(args.assigned.data<int32_t>()) {
    std::fill_n(assigned_, experts_, 0);
    if (args.overflow.defined()) {
      overflow_ = args.overflow.data<int32_t>();
      std::fill_n(overflow_, kOverflowCounts * experts_, 0);
    }
  }

  void PlaceScope(int64_t begin, int64_t end) {
    std::fill_n(taken_, experts_, 0);
    for (int64_t j = 0; j < choices_; ++j) {
      for (int64_t i = begin; i < end; ++i) PlaceChoice(TokenAt(i), j);
    }
    if (args_.next_experts.defined()) RerouteScope(begin, end);
    if (overflow_ == nullptr) return;
    for (int64_t t = begin; t < end; ++t) CountIfLost(t);
  }

 private:
  int64_t TokenAt(int64_t i) const {
    return args_.order.defined() ? args_.order.data<int32_t>()[i] : i;
  }

  bool Take(int32_t expert) {
    if (taken_[expert] >= limit_) return false;
    ++taken_[expert];
    return true;
  }

  void Count(OverflowCount what, int32_t expert) {
    if (overflow_ != nullptr) ++overflow_[what * experts_ + expert];
  }

  void PlaceChoice(int64_t t, int64_t j) {
    const int32_t chosen = RowOf<int32_t>(args_.experts, t)[j];
    int32_t& mark = RowOf<int32_t>(args_.positions, t)[j];
    if (args_.placed.defined()) RowOf<int32_t>(args_.placed, t)[j] = chosen;
    if (args_.valid.data<uint8_t>()[t] == 0 || chosen == kNoExpert) {
      mark = kUnassigned;
      return;
    }
    const int32_t expert = CheckedExpert(chosen, experts_);
    ++assigned_[expert];
    mark = Take(expert) ? kKept : kDropped;
    if (mark == kDropped) Count(kOverCapacity, expert);
  }

  void RerouteScope(int64_t begin, int64_t end) {
    for (int64_t round = 0; round < args_.next_experts.dim(1); ++round) {
      for (int64_t i = begin; i < end; ++i) Reroute(TokenAt(i), round);
    }
  }

  void Reroute(int64_t t, int64_t round) {
    int32_t* marks = RowOf<int32_t>(args_.positions, t);
    const int64_t j = std::find(marks, marks + choices_, kDropped) - marks;
    if (j == choices_) return;
    const int32_t next = RowOf<int32_t>(args_.next_experts, t)[round];
    if (next == kNoExpert || !Take(CheckedExpert(next, experts_))) return;
    RowOf<int32_t>(args_.placed, t)[j] = next;
    marks[j] = kKept;
    Count(kRerouted, RowOf<int32_t>(args_.experts, t)[j]);
  }

  void CountIfLost(int64_t t) {
    const int32_t* marks = RowOf<int32_t>(args_.positions, t);
    int64_t first = choices_;
    for (int64_t j = choices_ - 1; j >= 0; --j) {
      if (marks[j] == kKept) return;
      if (marks[j] == kDropped) first = j;
    }
    if (first < choices_)
      Count(kLostTokens, RowOf<int32_t>(args_.experts, t)[first]);
  }

  const PositionsArgs& args_;
  const int64_t choices_;
  const int64_t experts_;
  const int64_t limit_;
  int32_t* const taken_;  // rows of the scope, by expert
  int32_t* const assigned_;
  int32_t* overflow_ = nullptr;
};

// From marks to rows.
void NumberRows(const PositionsArgs& args, const ConstTensorView& placed) {
  const int64_t tokens = placed.dim(0);
  const int64_t choices = placed.dim(1);
  int32_t* kept = args.kept.data<int32_t>();
  std::fill_n(kept, args.kept.dim(0), 0);
  for (int64_t t = 0; t < tokens; ++t) {
    const int32_t* experts = RowOf<int32_t>(placed, t);
    int32_t* positions = RowOf<int32_t>(args.positions, t);
    for (int64_t j = 0; j < choices; ++j) {
      if (positions[j] == kKept) positions[j] = kept[experts[j]]++;
    }
  }
}

}  // namespace

void Positions(const PositionsArgs& args) {
  const int64_t tokens = args.experts.dim(0);
  const int64_t scope = args.scope_tokens == 0 ? tokens : args.scope_tokens;
  Placement placement(args);
  for (int64_t begin = 0; begin < tokens; begin += scope) {
    placement.PlaceScope(begin, begin + scope);
  }
  NumberRows(args, args.placed.defined() ? ConstTensorView(args.placed)
                                         : args.experts);
}

void RowIndex(const RowIndexArgs& args) {
  const int64_t tokens = args.experts.dim(0);
  const int64_t choices = args.experts.dim(1);
  const int32_t* base = args.base.data<int32_t>();
  for (int64_t t = 0; t < tokens; ++t) {
    const int32_t* chosen = RowOf<int32_t>(args.experts, t);
    const int32_t* positions = RowOf<int32_t>(args.positions, t);
    int32_t* rows = RowOf<int32_t>(args.rows, t);
    for (int64_t j = 0; j < choices; ++j) {
      rows[j] =
          positions[j] < 0 || chosen[j] == kNoExpert
              ? -1
              : base[CheckedExpert(chosen[j], args.base.dim(0))] + positions[j];
    }
  }
}

}  // namespace switchyard::kernels::cpu
