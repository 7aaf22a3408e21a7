// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Text that arrives in pieces which may end within a character. What is given
// out is valid UTF-8 (RFC 3629): whole characters, as soon as they are whole,
// and U+FFFD for each piece that cannot become one (Unicode 15.0, section 3.9:
// the longest beginning of a character counts as one piece).
#ifndef SWITCHYARD_RUNTIME_GENERATE_UTF8_STREAM_H_
#define SWITCHYARD_RUNTIME_GENERATE_UTF8_STREAM_H_

#include <string>

#include "absl/strings/string_view.h"

namespace switchyard {

class Utf8Stream {
 public:
  // What can be shown after these bytes.
  std::string Append(absl::string_view bytes);
  // What is left of a character that never came to its end.
  std::string Finish();

 private:
  std::string pending_;  // the beginning of a character
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_GENERATE_UTF8_STREAM_H_
