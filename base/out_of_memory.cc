// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/out_of_memory.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/fatal_handler.h"
#include "switchyard/base/number_text.h"

namespace switchyard {

void EndOutOfMemory(size_t bytes) {
  const std::string rank =
      ThreadRank() >= 0 ? absl::StrCat(" of rank ", ThreadRank()) : "";
  const std::string message = absl::StrCat(
      "expected more memory for the process", rank,
      bytes > 0 ? absl::StrCat(" (", ByteText(static_cast<int64_t>(bytes)), ")")
                : "",
      ", found that the system gives none; use a smaller model or batch, more "
      "hosts, or raise the limit (ulimit -v)");
  std::fprintf(stderr, "switchyard: %s\n", message.c_str());
  std::fflush(stderr);
  internal::CallFatalHandler(message);
  std::_Exit(1);
}

}  // namespace switchyard
