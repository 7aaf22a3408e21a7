// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/pattern_syntax.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

// White_Space is these and the separators.
constexpr char kSpace[] = "\\x{9}-\\x{D}\\x{85}\\p{Z}";

class Translation {
 public:
  explicit Translation(absl::string_view pattern) : pattern_(pattern) {}

  absl::StatusOr<std::string> Run() {
    while (at_ < pattern_.size()) {
      SWITCHYARD_RETURN_IF_ERROR(in_class_ ? InClass() : Outside());
    }
    return result_;
  }

 private:
  absl::string_view rest() const { return pattern_.substr(at_); }

  void Copy(size_t count) {
    absl::StrAppend(&result_, pattern_.substr(at_, count));
    at_ += count;
  }

  absl::Status Refuse(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a regular expression of the kinds that docs/data.md lists, "
        "found ",
        what, " in '", Printable(pattern_),
        "'; tokenize with the program that the file is from and give the "
        "tokens"));
  }

  absl::Status Escape() {
    if (rest().size() < 2) return Refuse("a backslash at its end");
    const char c = rest()[1];
    if (c == 's') {
      absl::StrAppend(&result_, in_class_ ? "" : "[", kSpace,
                      in_class_ ? "" : "]");
      at_ += 2;
      return absl::OkStatus();
    }
    if (c == 'S' && !in_class_) {
      absl::StrAppend(&result_, "[^", kSpace, "]");
      at_ += 2;
      return absl::OkStatus();
    }
    if (c == 'p' || c == 'P') return Property();
    if (absl::StrContains("dDrntf", absl::string_view(&c, 1)) ||
        absl::ascii_ispunct(static_cast<unsigned char>(c))) {
      Copy(2);
      return absl::OkStatus();
    }
    return Refuse(absl::StrCat("\\", absl::string_view(&c, 1)));
  }

  // \p{L}, \p{^L} and the like; names of more than two letters are scripts.
  absl::Status Property() {
    const size_t end = rest().find('}');
    if (end == absl::string_view::npos || rest()[2] != '{') {
      return Refuse("\\p without a name in braces");
    }
    absl::string_view name = rest().substr(3, end - 3);
    absl::StrAppend(&result_, rest().substr(0, 3));
    if (absl::ConsumePrefix(&name, "^")) result_.push_back('^');
    if (name.empty()) return Refuse("\\p without a name in braces");
    for (const char c : name) {
      if (!absl::ascii_isalpha(static_cast<unsigned char>(c))) {
        return Refuse(absl::StrCat("\\p{", name, "}"));
      }
    }
    absl::StrAppend(&result_, name.size() > 2 ? "sc:" : "", name, "}");
    at_ += end + 1;
    return absl::OkStatus();
  }

  absl::Status InClass() {
    const char c = rest()[0];
    if (c == '\\') return Escape();
    if (c == '[') return Refuse("a class in a class");
    if (absl::StartsWith(rest(), "&&")) return Refuse("&& in a class");
    if (c == ']') in_class_ = false;
    Copy(1);
    return absl::OkStatus();
  }

  absl::Status OpenClass() {
    in_class_ = true;
    Copy(absl::StartsWith(rest(), "[^") ? 2 : 1);
    if (absl::StartsWith(rest(), "]")) return Refuse("an empty class");
    return absl::OkStatus();
  }

  absl::Status OpenGroup() {
    for (const absl::string_view group :
         {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}) {
      if (!absl::StartsWith(rest(), group)) continue;
      Copy(group.size());
      return absl::OkStatus();
    }
    if (absl::StartsWith(rest(), "(?") || absl::StartsWith(rest(), "(*")) {
      return Refuse(absl::StrCat("a group ", rest().substr(0, 3)));
    }
    Copy(1);
    return absl::OkStatus();
  }

  absl::Status Outside() {
    const char c = rest()[0];
    if (c == '\\') return Escape();
    if (c == '[') return OpenClass();
    if (c == '(') return OpenGroup();
    if (c == '^' || c == '$') {
      return Refuse(absl::StrCat("the anchor ", rest().substr(0, 1)));
    }
    // In Oniguruma no possessive quantifier but a repeated one.
    if (absl::StartsWith(rest(), "}+")) return Refuse("}+");
    // In PCRE2 these are characters.
    if (absl::StartsWith(rest(), "{,")) return Refuse("{,");
    Copy(1);
    return absl::OkStatus();
  }

  absl::string_view pattern_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string result_;
};

}  // namespace

absl::StatusOr<std::string> PatternForPcre2(absl::string_view pattern) {
  return Translation(pattern).Run();
}

std::string PatternOfText(absl::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (absl::ascii_ispunct(static_cast<unsigned char>(c))) {
      pattern.push_back('\\');
    }
    pattern.push_back(c);
  }
  return pattern;
}

}  // namespace switchyard
