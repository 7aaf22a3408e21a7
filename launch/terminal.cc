// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"

namespace switchyard::launch {
namespace {

// Opens what the parent writes to; -1 if that is another user's, or not there.
int OpenParentOutput() {
  const std::string path = absl::StrCat("/proc/", getppid(), "/fd/1");
  return open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
}

}  // namespace

bool OutputIsTerminal() {
  if (isatty(STDOUT_FILENO) == 0) return false;
  if (std::getenv("OMPI_COMM_WORLD_RANK") == nullptr) return true;
  const int parent = OpenParentOutput();
  if (parent < 0) return false;
  const bool terminal = isatty(parent) != 0;
  close(parent);
  return terminal;
}

int TerminalColumns() {
  // mpirun's own terminal knows the width; the one it makes does not.
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return size.ws_col;
  }
  const int parent = OpenParentOutput();
  const bool known = parent >= 0 && ioctl(parent, TIOCGWINSZ, &size) == 0;
  if (parent >= 0) close(parent);
  return known && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace switchyard::launch
