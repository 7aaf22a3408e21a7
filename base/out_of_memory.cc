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

// " (1.5 GB)", as ByteText writes it, which allocates.
void WriteBytes(size_t bytes, char* text, size_t size) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 999.95 && unit < 5; ++unit) value /= 1000.0;
  std::snprintf(text, size, " (%.*f %s)", unit == 0 ? 0 : 1, value,
                units[unit]);
}

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

}  // namespace

// Allocates nothing until the sentence is out.
void EndOutOfMemory(size_t bytes) {
  if (has_spoken) std::_Exit(1);
  has_spoken = true;
  char rank[32] = "", amount[32] = "", line[320];
  if (ThreadRank() >= 0) {
    std::snprintf(rank, sizeof(rank), " of rank %d", ThreadRank());
  }
  if (bytes > 0) WriteBytes(bytes, amount, sizeof(amount));
  constexpr char kPrefix[] = "switchyard: ";
  std::snprintf(line, sizeof(line),
                "%sexpected more memory for the process%s%s, found that the "
                "system gives none; use a smaller model or batch, more hosts, "
                "or raise the limit (ulimit -v)\n",
                kPrefix, rank, amount);
  WriteToStandardError(line);
  line[std::strlen(line) - 1] = '\0';
  internal::CallFatalHandler(line + sizeof(kPrefix) - 1);
  std::_Exit(1);
}

}  // namespace switchyard
