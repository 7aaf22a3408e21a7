// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/out_of_memory.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "switchyard/base/check.h"
#include "switchyard/base/fatal_handler.h"

namespace switchyard {
namespace {

// Set in the thread that has said it: what it does next may find no memory
// either, and come here again.
thread_local bool has_spoken = false;

// "1.5 GB", as ByteText writes it, which allocates.
void WriteBytes(size_t bytes, char* text, size_t size) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 999.95 && unit < 5; ++unit) value /= 1000.0;
  std::snprintf(text, size, "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
}

constexpr char kPrefix[] = "switchyard: ";

// Without stdio's buffers, whose lock this thread may hold already.
void WriteToStandardError(const char* text) {
  size_t left = std::strlen(text);
  while (left > 0) {
    const ssize_t count = write(STDERR_FILENO, text, left);
    if (count <= 0) return;
    text += count;
    left -= static_cast<size_t>(count);
  }
}

// `line` begins with kPrefix and ends with a newline.
[[noreturn]] void EndWith(char* line) {
  WriteToStandardError(line);
  line[std::strlen(line) - 1] = '\0';
  internal::CallFatalHandler(line + sizeof(kPrefix) - 1);
  std::_Exit(1);
}

// " of rank 3", in a rank's thread.
void WriteRank(char* text, size_t size) {
  if (ThreadRank() >= 0) std::snprintf(text, size, " of rank %d", ThreadRank());
}

}  // namespace

// Allocates nothing until the sentence is out.
void EndOutOfMemory(size_t bytes) {
  if (has_spoken) std::_Exit(1);
  has_spoken = true;
  char rank[32] = "", amount[32] = "", line[320];
  WriteRank(rank, sizeof(rank));
  if (bytes > 0) WriteBytes(bytes, amount, sizeof(amount));
  std::snprintf(
      line, sizeof(line),
      "%sexpected more memory for the process%s%s%s%s, found that the "
      "system gives none; use a smaller model or batch, more hosts, "
      "or raise the limit (ulimit -v)\n",
      kPrefix, rank, bytes > 0 ? " (" : "", amount, bytes > 0 ? ")" : "");
  EndWith(line);
}

void EndOutOfDeviceMemory(const char* device, size_t bytes, size_t free,
                          size_t total) {
  char rank[32] = "", line[480];
  WriteRank(rank, sizeof(rank));
  char asked[32], left[32], all[32];
  WriteBytes(bytes, asked, sizeof(asked));
  WriteBytes(free, left, sizeof(left));
  WriteBytes(total, all, sizeof(all));
  std::snprintf(
      line, sizeof(line),
      "%sexpected %s more of memory on %s%s, found %s of %s free; use "
      "more ranks, a smaller model or, in training, a smaller micro-batch, "
      "--recompute block, or a bound on rows (--capacity_factor or "
      "--max_rows_per_rank)\n",
      kPrefix, asked, device, rank, left, all);
  EndWith(line);
}

}  // namespace switchyard
