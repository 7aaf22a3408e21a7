// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Where device code called a synchronising intrinsic: threads that meet must
// have come from one call, and messages name it.
#ifndef SWITCHYARD_TESTS_EMULATION_CALL_SITE_H_
#define SWITCHYARD_TESTS_EMULATION_CALL_SITE_H_

#include <cstring>

namespace switchyard::emulation {

struct CallSite {
  const char* file = "";
  int line = 0;

  // As a default argument it is the place of the caller's caller. Two calls on
  // one line are one site.
  static constexpr CallSite Here(const char* file = __builtin_FILE(),
                                 int line = __builtin_LINE()) {
    return {file, line};
  }
  bool operator==(const CallSite& other) const {
    return line == other.line &&
           (file == other.file || std::strcmp(file, other.file) == 0);
  }
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_CALL_SITE_H_
