// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/messages.h"

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "switchyard/launch/signal_reporter.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard::launch {

void Say(absl::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

absl::Status WriteOutput(absl::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
      std::fflush(stdout) != 0) {
    const int error = errno;
    return absl::UnavailableError(absl::StrCat(
        "expected standard output to take what is printed, found that it does "
        "not (",
        std::generic_category().message(error),
        "); free some space there or write to another place"));
  }
  return absl::OkStatus();
}

void Complain(absl::string_view kind, absl::string_view line) {
  const std::string text = absl::StrCat("switchyard: ", kind, line, "\n");
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

int Finish(const absl::Status& status, comm::Communicator& world) {
  if (status.ok()) return 0;
  const absl::Status agreed = AgreeOnStatus(world, status);
  if (!world.Barrier({-1, "failure"}).Wait().ok()) {
    // The ranks cannot talk any more: the first of each host speaks.
    ReportOnce(std::string(status.message()));
    return 1;
  }
  if (world.rank() == 0) Complain("", agreed.message());
  // A launcher ends the others once one rank fails: none may go before rank 0
  // has spoken.
  world.Barrier({-1, "exit"}).Wait().IgnoreError();
  return 1;
}

}  // namespace switchyard::launch
