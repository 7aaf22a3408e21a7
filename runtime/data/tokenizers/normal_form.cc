// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/normal_form.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/runtime/data/tokenizers/utf8.h"

namespace switchyard {
namespace {

// Marks are sorted in a time that grows with the square of their number. Text
// that is safe to stream has 30 in a row at most (UAX 15, section 13).
constexpr int kMostMarks = 2000;

enum class Kind {
  kInert,      // never changed, never joined with what stands before
  kComposite,  // may be changed, never joined with what stands before
  kJoining     // may be joined or sorted with what stands before
};

// Takes some characters for less harmless than they are.
Kind KindOf(uint32_t code) {
  // The first that combines is U+0300.
  if (code < 0x300) return Kind::kInert;
  // Vowels and final consonants of Hangul.
  if (code >= 0x1160 && code <= 0x11FF) return Kind::kJoining;
  const utf8proc_property_t& property =
      *utf8proc_get_property(static_cast<utf8proc_int32_t>(code));
  const bool mark = property.category == UTF8PROC_CATEGORY_MN ||
                    property.category == UTF8PROC_CATEGORY_MC ||
                    property.category == UTF8PROC_CATEGORY_ME;
  const bool decomposes =
      property.decomp_type == 0 && property.decomp_seqindex != UINT16_MAX;
  if (mark || property.combining_class != 0) return Kind::kJoining;
  return decomposes ? Kind::kComposite : Kind::kInert;
}

// Appends the form C of a part that begins with an inert character or is the
// front of the text.
void AppendNormalized(absl::string_view part, std::string* to) {
  utf8proc_uint8_t* normalized = nullptr;
  const utf8proc_ssize_t bytes = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(part.data()),
      static_cast<utf8proc_ssize_t>(part.size()), &normalized,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(
      normalized, &std::free);
  SWITCHYARD_CHECK(bytes >= 0) << utf8proc_errmsg(bytes);
  to->append(reinterpret_cast<const char*>(normalized),
             static_cast<size_t>(bytes));
}

// The first character from `at` on that is not inert; `last` is then the inert
// one before it, if there is one.
size_t FindNotInert(absl::string_view text, size_t at, size_t* last) {
  while (at < text.size()) {
    const Character character = CharacterAt(text, at);
    if (KindOf(character.code) != Kind::kInert) return at;
    *last = at;
    at += character.bytes;
  }
  return at;
}

// The first inert character from `at` on; npos if too many marks are in
// between.
size_t FindInert(absl::string_view text, size_t at) {
  int marks = 0;
  while (at < text.size()) {
    const Character character = CharacterAt(text, at);
    const Kind kind = KindOf(character.code);
    if (kind == Kind::kInert) return at;
    marks = kind == Kind::kJoining ? marks + 1 : 0;
    if (marks > kMostMarks) return absl::string_view::npos;
    at += character.bytes;
  }
  return at;
}

}  // namespace

absl::StatusOr<absl::string_view> NormalFormC(absl::string_view text,
                                              std::string* buffer) {
  size_t done = 0, last = 0;
  size_t found = FindNotInert(text, 0, &last);
  if (found == text.size()) return text;
  buffer->clear();
  while (found < text.size()) {
    buffer->append(text.data() + done, last - done);
    const size_t end = FindInert(text, found);
    if (end == absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected at most ", kMostMarks,
          " combining marks on a character, found more; is it text?"));
    }
    AppendNormalized(text.substr(last, end - last), buffer);
    done = last = end;
    found = FindNotInert(text, end, &last);
  }
  buffer->append(text.data() + done, text.size() - done);
  return absl::string_view(*buffer);
}

}  // namespace switchyard
