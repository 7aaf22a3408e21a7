// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What ranks tell each other of every call as soon as it is issued: two ranks
// that call differently, or in another order, are found at once, where real
// ones would hang or mix up data.
#ifndef SWITCHYARD_TESTS_EMULATION_NCCL_ANNOUNCEMENT_H_
#define SWITCHYARD_TESTS_EMULATION_NCCL_ANNOUNCEMENT_H_

#include <cstdint>
#include <string>

#include "nccl.h"

namespace switchyard::emulation {

enum class CallKind : int32_t {
  kAllReduce,
  kReduceScatter,
  kAllGather,
  kBroadcast,
  kReduce,
  kSend,
  kRecv,
  kSplit,
};

using CommId = uint64_t;

struct Announcement {
  CommId comm = 0;
  CallKind kind = CallKind::kSplit;
  ncclDataType_t type = ncclUint8;
  ncclRedOp_t op = ncclSum;
  int32_t root = 0;
  uint64_t count = 0;
};

bool IsPointToPoint(CallKind kind);
// Whether one rank's call fits the other's.
bool Fits(const Announcement& mine, const Announcement& theirs);
// "ncclAllReduce(count 8, float32, sum) on communicator 1f3a".
std::string Describe(const Announcement& announcement);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_NCCL_ANNOUNCEMENT_H_
