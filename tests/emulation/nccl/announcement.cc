// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "nccl/announcement.h"

#include <cstdio>

#include "nccl/reduction.h"

namespace switchyard::emulation {
namespace {

constexpr const char* kNames[] = {
    "ncclAllReduce", "ncclReduceScatter", "ncclAllGather", "ncclBroadcast",
    "ncclReduce",    "ncclSend",          "ncclRecv",      "ncclCommSplit"};

bool HasOperator(CallKind kind) {
  return kind == CallKind::kAllReduce || kind == CallKind::kReduceScatter ||
         kind == CallKind::kReduce;
}

bool HasRoot(CallKind kind) {
  return kind == CallKind::kBroadcast || kind == CallKind::kReduce;
}

CallKind Counterpart(CallKind kind) {
  if (kind == CallKind::kSend) return CallKind::kRecv;
  return kind == CallKind::kRecv ? CallKind::kSend : kind;
}

}  // namespace

bool IsPointToPoint(CallKind kind) {
  return kind == CallKind::kSend || kind == CallKind::kRecv;
}

bool Fits(const Announcement& mine, const Announcement& theirs) {
  return mine.comm == theirs.comm && mine.kind == Counterpart(theirs.kind) &&
         mine.type == theirs.type && mine.count == theirs.count &&
         (!HasOperator(mine.kind) || mine.op == theirs.op) &&
         (!HasRoot(mine.kind) || mine.root == theirs.root);
}

std::string Describe(const Announcement& announcement) {
  std::string text = kNames[static_cast<int>(announcement.kind)];
  if (announcement.kind != CallKind::kSplit) {
    text += "(count " + std::to_string(announcement.count) + ", " +
            NameOf(announcement.type);
    if (HasOperator(announcement.kind)) {
      text += std::string(", ") + NameOf(announcement.op);
    }
    if (HasRoot(announcement.kind)) {
      text += ", root " + std::to_string(announcement.root);
    }
    text += ")";
  }
  char id[32];
  std::snprintf(id, sizeof id, "%04x",
                static_cast<unsigned>(announcement.comm & 0xffff));
  return text + " on communicator " + id;
}

}  // namespace switchyard::emulation
