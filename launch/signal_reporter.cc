// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/signal_reporter.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/launch/terminal.h"

namespace switchyard::launch {
namespace {

// Ranks meet the same failure within this time, or nearly.
constexpr int kLingerMilliseconds = 800;

sigset_t SignalSet(std::initializer_list<int> numbers) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : numbers) sigaddset(&signals, number);
  return signals;
}

// True for the first of the processes with this parent, which under mpirun and
// srun are the ranks of the host. The name vanishes with its owner.
bool ClaimReport() {
  const int claim = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (claim < 0) return true;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  // An abstract name, without a file: its first byte is zero.
  const std::string name = absl::StrCat("switchyard-report-", getppid());
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const socklen_t length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return bind(claim, reinterpret_cast<const sockaddr*>(&address), length) == 0;
}

// Of rank 0 of this or another process: what is said next begins below it.
const char* EndOfLiveLine() {
  return OutputIsTerminal() && ErrorIsTerminal() ? "\n" : "";
}

void Report(const char* before, const std::string& message) {
  if (!ClaimReport()) return;
  // At once, or another process writes between.
  const std::string text = absl::StrCat(before, "switchyard: ", message, "\n");
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(nullptr);
  poll(nullptr, 0, kLingerMilliseconds);
}

}  // namespace

void ReportOnce(const std::string& message) { Report("", message); }

void SignalReporter::BlockSignals() {
  const sigset_t signals = SignalSet({SIGTERM});
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

SignalReporter::SignalReporter(comm::Communicator& world) {
  // Where a shell has SIGINT ignored, in the background, it stays so.
  struct sigaction interrupt = {};
  sigaction(SIGINT, nullptr, &interrupt);
  const sigset_t signals = interrupt.sa_handler == SIG_IGN
                               ? SignalSet({SIGTERM})
                               : SignalSet({SIGINT, SIGTERM});
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_ = signalfd(-1, &signals, SFD_CLOEXEC);
  stop_ = eventfd(0, EFD_CLOEXEC);
  SWITCHYARD_CHECK(signal_ >= 0 && stop_ >= 0) << std::strerror(errno);
  thread_ = std::thread([this, &world] { WaitForSignal(world); });
}

SignalReporter::~SignalReporter() {
  const uint64_t one = 1;
  SWITCHYARD_CHECK(write(stop_, &one, sizeof(one)) == sizeof(one));
  thread_.join();
  close(signal_);
  close(stop_);
  const sigset_t signals = SignalSet({SIGINT});
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

void SignalReporter::AtSignal(std::function<void()> call) {
  std::lock_guard<std::mutex> lock(mutex_);
  at_signal_ = std::move(call);
}

void SignalReporter::WaitForSignal(comm::Communicator& world) {
  pollfd events[] = {{signal_, POLLIN, 0}, {stop_, POLLIN, 0}};
  while (poll(events, 2, -1) < 0) {
  }
  if (events[1].revents != 0) return;
  signalfd_siginfo signal = {};
  if (read(signal_, &signal, sizeof(signal)) != sizeof(signal)) {
    signal.ssi_signo = SIGTERM;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (at_signal_) at_signal_();
  }
  if (signal.ssi_signo == SIGTERM) {
    Report(EndOfLiveLine(),
           absl::StrCat("asked to end (SIGTERM); ", world.ledger().Report()));
  } else {
    std::fputs(EndOfLiveLine(), stderr);
  }
  std::_Exit(128 + static_cast<int>(signal.ssi_signo));
}

}  // namespace switchyard::launch
