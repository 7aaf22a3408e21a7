// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// When one rank dies, mpirun sends SIGTERM to the others and kills them a
// second later; Slurm does the like. A thread that waits for the signal uses
// the time to say what the ranks were doing.
#ifndef SWITCHYARD_LAUNCH_SIGNAL_REPORTER_H_
#define SWITCHYARD_LAUNCH_SIGNAL_REPORTER_H_

#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "switchyard/comm/communicator.h"

namespace switchyard::launch {

class SignalReporter {
 public:
  // Keeps SIGTERM from the calling thread and from those that it starts. Call
  // it before anything starts a thread.
  static void BlockSignals();

  // Until it is destroyed, a SIGTERM prints the report of `world`'s ledgers and
  // ends the process with exit code 143; a SIGINT, which a person sends, ends
  // it without a word with 130.
  explicit SignalReporter(comm::Communicator& world);
  ~SignalReporter();

  // What else is done when a signal ends the process; empty: nothing. Called on
  // another thread.
  void AtSignal(std::function<void()> call);
  SignalReporter(const SignalReporter&) = delete;
  SignalReporter& operator=(const SignalReporter&) = delete;

 private:
  void WaitForSignal(comm::Communicator& world);

  int signal_ = -1;  // readable when one is pending
  int stop_ = -1;    // readable when the destructor runs
  std::mutex mutex_;
  std::function<void()> at_signal_;
  std::thread thread_;
};

// Prints `message` to standard error unless another rank of this job and host
// has just printed one; then stays for a moment, so that ranks which fail at
// the same time find that it has.
void ReportOnce(const std::string& message);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_SIGNAL_REPORTER_H_
