// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/comm/end_process.h"

#include <cstdio>
#include <cstdlib>

#include "switchyard/base/fatal_handler.h"

namespace switchyard::comm {

void EndProcess(const std::string& message,
                const std::function<void()>& end_others) {
  std::fprintf(stderr, "%s\n", message.c_str());
  internal::CallFatalHandler(message);
  std::fflush(nullptr);
  if (end_others) end_others();
  std::_Exit(EXIT_FAILURE);
}

}  // namespace switchyard::comm
