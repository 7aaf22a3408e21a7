// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/control_group.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace switchyard::launch {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// Not base/file.h's: files of these systems tell no size.
std::string ContentOf(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// "max", an empty file and what is no number are no limit. Version 1 writes a
// number near 2^63.
int64_t ReadLimit(const std::string& path) {
  int64_t limit = 0;
  const std::string text = ContentOf(path);
  return absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &limit) && limit > 0
             ? limit
             : kNoLimit;
}

// From the group to the root of what is mounted. In a container the group's
// path may be the host's: its folders are not there, and the container's own
// group is the root.
int64_t LeastLimit(const std::string& mount, std::string group,
                   const char* file) {
  int64_t least = kNoLimit;
  while (true) {
    least = std::min(least, ReadLimit(absl::StrCat(mount, group, "/", file)));
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return least;
    group.resize(slash);
  }
}

bool NamesMemory(absl::string_view controllers) {
  const std::vector<absl::string_view> names = absl::StrSplit(controllers, ',');
  return std::find(names.begin(), names.end(), "memory") != names.end();
}

}  // namespace

int64_t ReadControlGroupLimit(const std::string& root) {
  const std::string mount = root + "/sys/fs/cgroup";
  int64_t least = kNoLimit;
  // Lines "hierarchy:controllers:/group"; version 2 has "0::/group".
  const std::string groups = ContentOf(root + "/proc/self/cgroup");
  for (const absl::string_view line : absl::StrSplit(groups, '\n')) {
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    if (parts[1].empty()) {
      // Where version 1 is there too, version 2 has a folder of its own.
      for (const char* folder : {"", "/unified"}) {
        least =
            std::min(least, LeastLimit(mount + folder, parts[2], "memory.max"));
      }
    } else if (NamesMemory(parts[1])) {
      least = std::min(least, LeastLimit(mount + "/memory", parts[2],
                                         "memory.limit_in_bytes"));
    }
  }
  return least;
}

}  // namespace switchyard::launch
