// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON objects of numbers, written without allocating once the text has
// grown. A number is the shortest decimal that reads back to the same bits; one
// that JSON does not know (NaN, infinities) or that is absent is null.
#ifndef SWITCHYARD_RUNTIME_TRAIN_JSON_TEXT_H_
#define SWITCHYARD_RUNTIME_TRAIN_JSON_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace switchyard {

class JsonText {
 public:
  // Starts over with an empty object.
  void Open();
  // Names are plain ASCII identifiers.
  void Add(const char* name, int64_t value);
  void Add(const char* name, double value);
  void Add(const char* name, std::optional<double> value);
  void Add(const char* name, bool value);
  void Add(const char* name, absl::string_view value);
  void Add(const char* name, absl::Span<const int64_t> values);
  // An object within; Close ends it.
  void OpenObject(const char* name);
  void Close();
  // A list of objects within: each begins with OpenElement and ends with Close,
  // the list with CloseList.
  void OpenList(const char* name);
  void OpenElement();
  void CloseList();

  const std::string& text() const { return text_; }
  void AppendNewline() { text_.push_back('\n'); }

 private:
  void Name(const char* name);

  std::string text_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_JSON_TEXT_H_
