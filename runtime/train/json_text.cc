// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/json_text.h"

#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace switchyard {

void JsonText::Open() {
  text_.clear();
  text_.push_back('{');
}

void JsonText::Name(const char* name) {
  if (text_.back() != '{') text_ += ", ";
  text_.push_back('"');
  text_ += name;
  text_ += "\": ";
}

void JsonText::Add(const char* name, int64_t value) {
  Name(name);
  absl::StrAppend(&text_, value);
}

void JsonText::Add(const char* name, double value) {
  Name(name);
  if (!std::isfinite(value)) {
    text_ += "null";
    return;
  }
  char digits[32];
  const auto [end, error] =
      std::to_chars(digits, digits + sizeof(digits), value);
  const absl::string_view text(digits, static_cast<size_t>(end - digits));
  absl::StrAppend(&text_, text);
  // "-0" would be read as an integer, without its sign.
  if (text.find_first_of(".e") == absl::string_view::npos) text_ += ".0";
}

void JsonText::Add(const char* name, std::optional<double> value) {
  Add(name, value.value_or(std::nan("")));
}

void JsonText::Add(const char* name, bool value) {
  Name(name);
  text_ += value ? "true" : "false";
}

void JsonText::Add(const char* name, absl::string_view value) {
  Name(name);
  text_.push_back('"');
  for (const char c : value) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      absl::StrAppend(&text_, "\\u00", absl::Hex(c, absl::kZeroPad2));
    } else {
      if (c == '"' || c == '\\') text_.push_back('\\');
      text_.push_back(c);
    }
  }
  text_.push_back('"');
}

void JsonText::Add(const char* name, absl::Span<const int64_t> values) {
  Name(name);
  text_.push_back('[');
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text_ += ", ";
    absl::StrAppend(&text_, values[i]);
  }
  text_.push_back(']');
}

void JsonText::OpenList(const char* name) {
  Name(name);
  text_.push_back('[');
}

void JsonText::OpenElement() {
  if (text_.back() != '[') text_ += ", ";
  text_.push_back('{');
}

void JsonText::CloseList() { text_.push_back(']'); }

void JsonText::OpenObject(const char* name) {
  Name(name);
  text_.push_back('{');
}

void JsonText::Close() { text_.push_back('}'); }

}  // namespace switchyard
