// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The lanes of a warp that wait for each other, and what an operation gives
// each of them.
#ifndef SWITCHYARD_TESTS_EMULATION_ENGINE_WARP_H_
#define SWITCHYARD_TESTS_EMULATION_ENGINE_WARP_H_

#include <array>
#include <cstdint>
#include <string>

#include "emulation/device_thread.h"
#include "engine/ready_threads.h"

namespace switchyard::emulation {

class Warp {
 public:
  // A warp of `lanes` threads, none of which waits or has returned.
  void Reset(int lanes);
  // The lanes that may go on now that this one arrived; 0 if it must wait, or
  // if there is an `error`.
  uint32_t Arrive(int lane, const WarpCall& call, CallSite site,
                  std::string& error);
  void Leave(int lane) { returned_ |= 1u << lane; }
  uint64_t result(int lane) const { return results_[lane]; }
  uint32_t lanes() const { return lanes_; }
  // Grows when all lanes met in __syncwarp, which orders memory.
  uint32_t epoch() const { return epoch_; }
  int exchanges() const { return exchanges_; }
  // What waits, for a message; empty if nothing does.
  std::string DescribeWaiting(int warp) const;

 private:
  struct Meeting {
    WarpCall call;
    CallSite site;
    uint32_t arrived = 0;
  };

  std::string CheckCall(int lane, const WarpCall& call) const;
  // The meeting that this lane joins, opened if need be; null on error.
  Meeting* Join(int lane, const WarpCall& call, CallSite site,
                std::string& error);
  void Complete(const Meeting& meeting, std::string& error);
  void Shuffle(const Meeting& meeting, std::string& error);
  void Vote(const Meeting& meeting);
  void Match(const Meeting& meeting);
  void Reduce(const Meeting& meeting);
  void GiveAll(uint32_t mask, uint64_t result);

  uint32_t lanes_ = 0;
  uint32_t returned_ = 0;
  uint32_t epoch_ = 0;
  int exchanges_ = 0;
  int meetings_ = 0;
  std::array<Meeting, kWarpLanes> meeting_;  // the first meetings_ are open
  std::array<uint64_t, kWarpLanes> values_;
  std::array<int, kWarpLanes> arguments_;
  std::array<uint64_t, kWarpLanes> results_;
};

// "__shfl_xor_sync" and so on.
const char* NameOf(WarpOperation operation);
// "file.cu:12".
std::string NameOf(CallSite site);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_ENGINE_WARP_H_
