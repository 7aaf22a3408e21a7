// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "races/order.h"

namespace switchyard::emulation {
namespace {

bool SamePlace(const Record& a, const Record& b) {
  return a.operation == b.operation && a.block == b.block &&
         a.thread == b.thread && a.barrier == b.barrier && a.warp == b.warp &&
         a.atomic == b.atomic;
}

const Record* FindConflict(const Record (&records)[2], const Record& now,
                           bool shared, OrderJudge& judge) {
  for (const Record& before : records) {
    if ((before.bytes & now.bytes) == 0 || (before.atomic && now.atomic)) {
      continue;
    }
    if (!judge.Ordered(before, now, shared)) return &before;
  }
  return nullptr;
}

// What is ordered before this access may be forgotten: whoever races with it
// races with this one too. Otherwise the records of two threads are kept, as
// one of them is not the next thread.
Record& ChooseVictim(Record (&records)[2], const Record& now, bool shared,
                     OrderJudge& judge) {
  for (Record& before : records) {
    if (before.operation == 0 || (before.bytes & ~now.bytes) == 0) {
      if (judge.Ordered(before, now, shared)) return before;
    }
  }
  for (Record& before : records) {
    if (judge.Ordered(before, now, shared)) return before;
  }
  return records[0].operation == now.operation ? records[0] : records[1];
}

}  // namespace

const Record* FindConflict(const Cell& cell, const Record& now, AccessKind kind,
                           bool shared, OrderJudge& judge) {
  if (const Record* found = FindConflict(cell.writes, now, shared, judge)) {
    return found;
  }
  if (kind == AccessKind::kRead) return nullptr;
  return FindConflict(cell.reads, now, shared, judge);
}

void Remember(Cell& cell, const Record& now, AccessKind kind, bool shared,
              OrderJudge& judge) {
  auto& records = kind == AccessKind::kRead ? cell.reads : cell.writes;
  for (Record& record : records) {
    if (SamePlace(record, now)) {
      record.bytes |= now.bytes;
      return;
    }
  }
  ChooseVictim(records, now, shared, judge) = now;
}

}  // namespace switchyard::emulation
