// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/warp.h"

#include <bit>
#include <cstdio>

namespace switchyard::emulation {
namespace {

constexpr const char* kNames[] = {
    "__syncwarp",        "__shfl_sync",       "__shfl_up_sync",
    "__shfl_down_sync",  "__shfl_xor_sync",   "__ballot_sync",
    "__any_sync",        "__all_sync",        "__match_any_sync",
    "__reduce_add_sync", "__reduce_min_sync", "__reduce_max_sync",
    "__reduce_min_sync", "__reduce_max_sync", "__reduce_and_sync",
    "__reduce_or_sync",  "__reduce_xor_sync", "exchange of a warp"};

std::string Hex(uint32_t mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

std::string Describe(const WarpCall& call, CallSite site) {
  return std::string(NameOf(call.operation)) + " with mask " + Hex(call.mask) +
         " at " + NameOf(site);
}

bool SameCall(const WarpCall& a, const WarpCall& b) {
  return a.operation == b.operation && a.mask == b.mask && a.width == b.width;
}

// The lane that `lane` reads in a shuffle, as PTX's shfl defines it.
int SourceLane(const WarpCall& call, int lane, int argument) {
  const int first = lane & ~(call.width - 1);
  int source = lane;
  switch (call.operation) {
    case WarpOperation::kShuffle:
      return first + (argument & (call.width - 1));
    case WarpOperation::kShuffleUp:
      source = lane - argument;
      return source < first ? lane : source;
    case WarpOperation::kShuffleDown:
      source = lane + argument;
      return source >= first + call.width ? lane : source;
    default:
      source = lane ^ argument;
      return source >= first + call.width ? lane : source;
  }
}

uint32_t Combine(WarpOperation operation, uint32_t a, uint32_t b) {
  const auto signed_a = static_cast<int32_t>(a);
  const auto signed_b = static_cast<int32_t>(b);
  switch (operation) {
    case WarpOperation::kReduceAdd:
      return a + b;
    case WarpOperation::kReduceMin:
      return signed_b < signed_a ? b : a;
    case WarpOperation::kReduceMax:
      return signed_b > signed_a ? b : a;
    case WarpOperation::kReduceMinUnsigned:
      return b < a ? b : a;
    case WarpOperation::kReduceMaxUnsigned:
      return b > a ? b : a;
    case WarpOperation::kReduceAnd:
      return a & b;
    case WarpOperation::kReduceOr:
      return a | b;
    default:
      return a ^ b;
  }
}

}  // namespace

const char* NameOf(WarpOperation operation) {
  return kNames[static_cast<int>(operation)];
}

std::string NameOf(CallSite site) {
  const std::string file = site.file;
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(site.line);
}

void Warp::Reset(int lanes) {
  lanes_ = lanes == kWarpLanes ? ~0u : (1u << lanes) - 1;
  returned_ = 0;
  epoch_ = 0;
  exchanges_ = 0;
  meetings_ = 0;
}

std::string Warp::CheckCall(int lane, const WarpCall& call) const {
  const std::string name = NameOf(call.operation);
  if (!(call.mask >> lane & 1)) {
    return name + ": the calling lane " + std::to_string(lane) +
           " is not in its own mask " + Hex(call.mask);
  }
  if (call.mask & ~lanes_) {
    return name + ": mask " + Hex(call.mask) +
           " names lanes that the warp of " +
           std::to_string(std::popcount(lanes_)) + " threads does not have";
  }
  if (call.mask & returned_) {
    return name + ": mask " + Hex(call.mask) +
           " names lanes that have returned, " + Hex(returned_);
  }
  if (call.width < 1 || call.width > kWarpLanes ||
      !std::has_single_bit(static_cast<unsigned>(call.width))) {
    return name + ": width " + std::to_string(call.width) +
           " is not a power of two up to 32";
  }
  return "";
}

Warp::Meeting* Warp::Join(int lane, const WarpCall& call, CallSite site,
                          std::string& error) {
  for (int i = 0; i < meetings_; ++i) {
    Meeting& meeting = meeting_[i];
    if (SameCall(meeting.call, call) && meeting.site == site) return &meeting;
    // Each waits for the other, but elsewhere.
    const uint32_t others = meeting.arrived & call.mask;
    if (others != 0 && (meeting.call.mask >> lane & 1)) {
      error = "lanes of a warp met in different calls: lane " +
              std::to_string(lane) + " in " + Describe(call, site) + ", lane " +
              std::to_string(std::countr_zero(others)) + " in " +
              Describe(meeting.call, meeting.site);
      return nullptr;
    }
  }
  meeting_[meetings_] = {call, site, 0};
  return &meeting_[meetings_++];
}

uint32_t Warp::Arrive(int lane, const WarpCall& call, CallSite site,
                      std::string& error) {
  const bool usual = call.mask == ~0u && lanes_ == ~0u && returned_ == 0 &&
                     call.width == kWarpLanes;
  if (!usual) {
    error = CheckCall(lane, call);
    if (!error.empty()) return 0;
  }
  Meeting* const meeting = Join(lane, call, site, error);
  if (meeting == nullptr) return 0;
  values_[lane] = call.value;
  arguments_[lane] = call.argument;
  meeting->arrived |= 1u << lane;
  if (meeting->arrived != call.mask) return 0;
  Complete(*meeting, error);
  *meeting = meeting_[--meetings_];
  return error.empty() ? call.mask : 0;
}

void Warp::Complete(const Meeting& meeting, std::string& error) {
  switch (meeting.call.operation) {
    case WarpOperation::kSyncwarp:
      if (meeting.call.mask == lanes_) ++epoch_;
      return;
    case WarpOperation::kExchange:
      ++exchanges_;
      return;
    case WarpOperation::kShuffle:
    case WarpOperation::kShuffleUp:
    case WarpOperation::kShuffleDown:
    case WarpOperation::kShuffleXor:
      return Shuffle(meeting, error);
    case WarpOperation::kBallot:
    case WarpOperation::kAny:
    case WarpOperation::kAll:
      return Vote(meeting);
    case WarpOperation::kMatchAny:
      return Match(meeting);
    default:
      return Reduce(meeting);
  }
}

void Warp::Shuffle(const Meeting& meeting, std::string& error) {
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    if (!(meeting.call.mask >> lane & 1)) continue;
    const int source = SourceLane(meeting.call, lane, arguments_[lane]);
    if (source < 0 || source >= kWarpLanes ||
        !(meeting.call.mask >> source & 1)) {
      error = std::string(NameOf(meeting.call.operation)) + ": lane " +
              std::to_string(lane) + " reads lane " + std::to_string(source) +
              ", which is not in mask " + Hex(meeting.call.mask);
      return;
    }
    results_[lane] = values_[source];
  }
}

void Warp::GiveAll(uint32_t mask, uint64_t result) {
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    if (mask >> lane & 1) results_[lane] = result;
  }
}

void Warp::Vote(const Meeting& meeting) {
  const uint32_t mask = meeting.call.mask;
  uint32_t votes = 0;
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    if (mask >> lane & 1 && values_[lane] != 0) votes |= 1u << lane;
  }
  uint64_t result = votes;
  if (meeting.call.operation == WarpOperation::kAny) result = votes != 0;
  if (meeting.call.operation == WarpOperation::kAll) result = votes == mask;
  GiveAll(mask, result);
}

void Warp::Match(const Meeting& meeting) {
  const uint32_t mask = meeting.call.mask;
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    uint32_t equal = 0;
    for (int other = 0; other < kWarpLanes; ++other) {
      if (mask >> other & 1 && values_[other] == values_[lane]) {
        equal |= 1u << other;
      }
    }
    if (mask >> lane & 1) results_[lane] = equal;
  }
}

void Warp::Reduce(const Meeting& meeting) {
  const uint32_t mask = meeting.call.mask;
  const int first = std::countr_zero(mask);
  auto result = static_cast<uint32_t>(values_[first]);
  for (int lane = first + 1; lane < kWarpLanes; ++lane) {
    if (!(mask >> lane & 1)) continue;
    result = Combine(meeting.call.operation, result,
                     static_cast<uint32_t>(values_[lane]));
  }
  GiveAll(mask, result);
}

std::string Warp::DescribeWaiting(int warp) const {
  std::string text;
  for (int i = 0; i < meetings_; ++i) {
    text += " warp " + std::to_string(warp) + ", lanes " +
            Hex(meeting_[i].arrived) + " in " +
            Describe(meeting_[i].call, meeting_[i].site) + ";";
  }
  return text;
}

}  // namespace switchyard::emulation
