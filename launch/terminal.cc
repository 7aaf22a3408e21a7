// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "switchyard/base/file.h"

namespace switchyard::launch {
namespace {

struct Process {
  std::string name;
  int parent = 0;
};

// From /proc/N/stat, "N (name) state parent ..."; the name may hold anything.
// No parent if it cannot be read.
Process ReadProcess(int id) {
  const auto stat = ReadFile(absl::StrCat("/proc/", id, "/stat"), 4096);
  if (!stat.ok()) return {};
  const size_t begin = stat->find('('), end = stat->rfind(')');
  if (begin == std::string::npos || end == std::string::npos) return {};
  Process process = {stat->substr(begin + 1, end - begin - 1)};
  const std::vector<absl::string_view> rest = absl::StrSplit(
      absl::string_view(*stat).substr(end + 1), ' ', absl::SkipEmpty());
  if (rest.size() < 2 || !absl::SimpleAtoi(rest[1], &process.parent)) return {};
  return process;
}

// The launcher above this process: its parent, or further up if a wrapper (a
// shell, numactl, a profiler) stands in between. 0 if there is none.
int FindLauncher() {
  constexpr int kMostWrappers = 16;
  int id = getppid();
  for (int i = 0; i < kMostWrappers && id > 1; ++i) {
    const Process process = ReadProcess(id);
    for (const char* name : {"mpirun", "mpiexec", "orterun", "orted", "prterun",
                             "prte", "prted"}) {
      if (process.name == name) return id;
    }
    id = process.parent;
  }
  return 0;
}

// Opens the launcher's own descriptor `number`; -1 if that is another user's,
// or not there.
int OpenOfLauncher(int number) {
  const int launcher = FindLauncher();
  if (launcher == 0) return -1;
  const std::string path = absl::StrCat("/proc/", launcher, "/fd/", number);
  return open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
}

bool LauncherHasTerminal(int number) {
  const int launcher = OpenOfLauncher(number);
  if (launcher < 0) return false;
  const bool terminal = isatty(launcher) != 0;
  close(launcher);
  return terminal;
}

bool IsRankOfOpenMpi() {
  return std::getenv("OMPI_COMM_WORLD_RANK") != nullptr;
}

}  // namespace

bool OutputIsTerminal() {
  if (isatty(STDOUT_FILENO) == 0) return false;
  return !IsRankOfOpenMpi() || LauncherHasTerminal(STDOUT_FILENO);
}

bool ErrorIsTerminal() {
  // mpirun gives its ranks a pipe.
  if (IsRankOfOpenMpi()) return LauncherHasTerminal(STDERR_FILENO);
  return isatty(STDERR_FILENO) != 0;
}

int TerminalColumns() {
  // mpirun's own terminal knows the width; the one it makes does not.
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return size.ws_col;
  }
  const int launcher = OpenOfLauncher(STDOUT_FILENO);
  const bool known = launcher >= 0 && ioctl(launcher, TIOCGWINSZ, &size) == 0;
  if (launcher >= 0) close(launcher);
  return known && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace switchyard::launch
