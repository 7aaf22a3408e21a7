// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/install/include_rules.h"

#include <algorithm>
#include <regex>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace switchyard::testing {
namespace {

using Strings = std::vector<std::string>;

// launch, examples -> runtime -> {comm, kernels} -> base. Tests and benchmarks
// may include everything.
struct Room {
  const char* folder;
  Strings may_include;
};
const std::vector<Room>& Rooms() {
  static const std::vector<Room> rooms = {
      {"base/", {"base/"}},
      {"comm/", {"base/", "comm/"}},
      {"kernels/", {"base/", "kernels/"}},
      {"runtime/", {"base/", "comm/", "kernels/", "runtime/"}},
      {"launch/", {"base/", "comm/", "kernels/", "runtime/", "launch/"}},
      // A project of its own; what it shows is that it needs no trainer.
      {"examples/04_custom_trainer/",
       {"base/", "comm/", "kernels/", "runtime/data/", "runtime/moe/",
        "runtime/nn/", "runtime/optim/", "runtime/parallel/"}},
      {"examples/", {"base/", "comm/", "kernels/", "runtime/", "examples/"}},
  };
  return rooms;
}

// Libraries that only one room knows.
struct Library {
  const char* header;  // how its headers' names start
  Strings folders;
};
const std::vector<Library>& Libraries() {
  static const std::vector<Library> libraries = {
      {"mpi.h", {"comm/mpi/"}},
      {"nccl.h", {"comm/nccl/"}},
      {"cuda_runtime", {"base/cuda/", "comm/nccl/", "kernels/cuda/"}},
      {"cublas", {"kernels/cuda/"}},
      {"dnnl", {"kernels/cpu/"}},
      {"oneapi/dnnl/", {"kernels/cpu/"}},
      {"hwy/", {"kernels/cpu/"}},
      {"pcre2", {"runtime/data/tokenizers/"}},
      {"sentencepiece", {"runtime/data/tokenizers/"}},
      {"utf8proc", {"runtime/data/tokenizers/"}},
  };
  return libraries;
}

// For programs with handles of their own; only its own source includes one.
const Strings kForOthers = {"comm/mpi/from_mpi.", "comm/nccl/from_nccl.",
                            "base/cuda/from_cuda."};

// How a room is made, which only the room itself includes.
const std::vector<Room>& PrivateFolders() {
  static const std::vector<Room> folders = {
      {"kernels/cpu/", {"kernels/"}},
      {"kernels/cuda/", {"kernels/"}},
      {"comm/ledger/", {"comm/"}},
  };
  return folders;
}

bool StartsWithAny(const std::string& text, const Strings& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) {
                       return absl::StartsWith(text, prefix);
                     });
}

std::string BrokenDirection(const std::string& path,
                            const std::string& target) {
  for (const Room& room : Rooms()) {
    if (!absl::StartsWith(path, room.folder)) continue;
    if (!StartsWithAny(target, room.may_include)) {
      return absl::StrCat(room.folder, " may not include ", target);
    }
    break;
  }
  for (const Room& inner : PrivateFolders()) {
    if (absl::StartsWith(target, inner.folder) &&
        !StartsWithAny(path, inner.may_include)) {
      return absl::StrCat(target, " is private to ", inner.may_include[0]);
    }
  }
  for (const std::string& header : kForOthers) {
    if (absl::StartsWith(target, header) && !absl::StartsWith(path, header)) {
      return absl::StrCat("nothing of ours may include ", target);
    }
  }
  return "";
}

std::string BrokenLibrary(const std::string& path, const std::string& target) {
  for (const Library& library : Libraries()) {
    if (absl::StartsWith(target, library.header) &&
        !StartsWithAny(path, library.folders)) {
      return absl::StrCat(target, " may be included in ", library.folders[0],
                          " only");
    }
  }
  return "";
}

bool IsProduct(const std::string& path) {
  return std::any_of(Rooms().begin(), Rooms().end(), [&](const Room& room) {
    return absl::StartsWith(path, room.folder);
  });
}

}  // namespace

Strings BrokenIncludeRules(const std::string& path, const std::string& text) {
  Strings broken;
  if (!IsProduct(path)) return broken;
  static const std::regex include(
      R"(^\s*#\s*include\s*(<|")(switchyard/)?([^>"]+)[>"])");
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::smatch match;
    if (!std::regex_search(line, match, include)) continue;
    const bool ours = match[2].matched;
    const std::string found =
        ours ? BrokenDirection(path, match[3]) : BrokenLibrary(path, match[3]);
    if (!found.empty()) {
      broken.push_back(absl::StrCat(path, ":", number, ": ", found));
    }
  }
  return broken;
}

bool IncludesFirst(const std::string& text, const std::string& header) {
  const size_t begin = text.find("#include");
  const std::string expected = absl::StrCat("#include \"switchyard/", header);
  return begin != std::string::npos &&
         text.compare(begin, expected.size(), expected) == 0;
}

}  // namespace switchyard::testing
