// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How the emulated device behaves, for tests. Whole programs are steered by
// environment variables, read once:
//
//   SWITCHYARD_EMULATION_ORDER    forward | reverse | random | skew
//   SWITCHYARD_EMULATION_STREAMS  sync | threads
//   SWITCHYARD_EMULATION_SEED     of random, skew and delays of streams
//   SWITCHYARD_EMULATION_POISON   0 leaves fresh memory as it is
//   SWITCHYARD_EMULATION_DEVICES  number of devices
//   SWITCHYARD_EMULATION_MEMORY   bytes of memory of a device
//   SWITCHYARD_EMULATION_RACES    1 checks for races; see SetRaceChecks()
//   SWITCHYARD_EMULATION_SHARED   bytes of shared memory a block may opt in to
#ifndef SWITCHYARD_TESTS_EMULATION_CONTROL_H_
#define SWITCHYARD_TESTS_EMULATION_CONTROL_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace switchyard::emulation {

// Which of the threads that could run does.
enum class Order {
  kForward,  // the lowest
  kReverse,  // the highest
  kRandom,   // any
  kSkew,     // the one of the highest priority, which is random and kept for
             // long: some threads run far ahead of others
};

// When operations of streams run (runtime/stream_queue.h).
enum class Streams {
  kSynchronous,  // as soon as nothing is before them
  kThreads,      // in a thread of the stream, after a random delay
};

struct Settings {
  Order order = Order::kForward;
  Streams streams = Streams::kSynchronous;
  uint64_t seed = 1;
  bool poison = true;  // fresh memory is 0xFF: NaN, -1
  int devices = 8;
  size_t memory_bytes = size_t{4} << 30;           // all of it may be touched
  size_t shared_bytes_opt_in = size_t{163} << 10;  // of the smallest, sm_80
  size_t stack_bytes = size_t{64} << 10;           // of a device thread
};
// May be changed while nothing runs on the device.
Settings& settings();

// What happened since the process or ResetCounters() began.
struct Counters {
  uint64_t launches = 0;
  uint64_t blocks = 0;
  uint64_t threads = 0;
  uint64_t barriers = 0;  // of blocks
  uint64_t warp_operations = 0;
};
Counters counters();
void ResetCounters();

// The first failure on the device, as a text; empty if there was none. From
// then on every call returns its error, as after a real one.
std::string LastFailure();
// Forgets it once all streams are empty: only here a device recovers.
void ClearFailure();

// Checks for races, uninitialised reads and bounds (races/race_checks.h).
// Change it while nothing runs; what was written before counts as initialised.
void SetRaceChecks(bool on);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_CONTROL_H_
