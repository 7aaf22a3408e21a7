// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether an access that is remembered is over before another begins.
#ifndef SWITCHYARD_TESTS_EMULATION_RACES_ORDER_H_
#define SWITCHYARD_TESTS_EMULATION_RACES_ORDER_H_

#include <array>

#include "races/clocks.h"
#include "races/shadow.h"

namespace switchyard::emulation {

// Judges for one operation, or for the host, which is no operation.
class OrderJudge {
 public:
  explicit OrderJudge(const Operation& operation) : operation_(operation) {}

  // `shared`: the memory is a block's, and starts anew with each.
  bool Ordered(const Record& before, const Record& now, bool shared) {
    if (before.operation == 0) return true;
    if (before.operation == now.operation) {
      return OrderedInKernel(before, now, shared);
    }
    return shared || IsOver(before.operation);
  }
  const Operation& operation() const { return operation_; }

 private:
  static bool OrderedInKernel(const Record& before, const Record& now,
                              bool shared) {
    if (before.block != now.block) return shared;
    return before.thread == now.thread || before.barrier != now.barrier ||
           (before.thread / 32 == now.thread / 32 && before.warp != now.warp);
  }
  bool IsOver(OperationNumber number) {
    OperationNumber& known = over_[number % over_.size()];
    if (known == number) return true;
    if (!operation_.before.Knows(StreamOf(number), number)) return false;
    known = number;
    return true;
  }

  const Operation& operation_;
  std::array<OperationNumber, 64> over_ = {};  // some that are
};

// The remembered access that nothing orders before this one; null if there is
// none. An atomic one only conflicts with others.
const Record* FindConflict(const Cell& cell, const Record& now, AccessKind kind,
                           bool shared, OrderJudge& judge);
// Remembers the access.
void Remember(Cell& cell, const Record& now, AccessKind kind, bool shared,
              OrderJudge& judge);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_RACES_ORDER_H_
