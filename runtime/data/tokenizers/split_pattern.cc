// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/split_pattern.h"

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace switchyard {
namespace {

constexpr size_t kJitStackBytes = size_t{8} << 20;
constexpr size_t kMostPatternBytes = 1 << 16;

std::string ErrorText(int error) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(error, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using CompileContext = std::unique_ptr<pcre2_compile_context,
                                       FreeWith<pcre2_compile_context_free>>;

absl::Status CannotUse(const std::string& pattern, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "expected a regular expression that PCRE2 takes, found '",
      Printable(pattern), "' (", why, "); correct the pre_tokenizer"));
}

}  // namespace

struct SplitPattern::Compiled {
  std::string pattern;
  std::unique_ptr<pcre2_code, FreeWith<pcre2_code_free>> code;
  std::unique_ptr<pcre2_match_data, FreeWith<pcre2_match_data_free>> match;
  std::unique_ptr<pcre2_match_context, FreeWith<pcre2_match_context_free>>
      context;
  std::unique_ptr<pcre2_jit_stack, FreeWith<pcre2_jit_stack_free>> stack;
};

SplitPattern::SplitPattern(std::unique_ptr<Compiled> compiled)
    : compiled_(std::move(compiled)) {}
SplitPattern::~SplitPattern() = default;
SplitPattern::SplitPattern(SplitPattern&&) noexcept = default;
SplitPattern& SplitPattern::operator=(SplitPattern&&) noexcept = default;

absl::StatusOr<SplitPattern> SplitPattern::Compile(const std::string& pattern) {
  if (pattern.size() > kMostPatternBytes) {
    return CannotUse(pattern, "too long");
  }
  const CompileContext options(pcre2_compile_context_create(nullptr));
  SWITCHYARD_CHECK(options != nullptr);
  // What '.' does not match.
  pcre2_set_newline(options.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE place = 0;
  auto compiled = std::make_unique<Compiled>();
  compiled->pattern = pattern;
  compiled->code.reset(pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &place,
      options.get()));
  if (compiled->code == nullptr) {
    return CannotUse(pattern,
                     absl::StrCat(ErrorText(error), " at byte ", place));
  }
  uint32_t matches_nothing = 0;
  pcre2_pattern_info(compiled->code.get(), PCRE2_INFO_MATCHEMPTY,
                     &matches_nothing);
  if (matches_nothing != 0) return CannotUse(pattern, "it finds empty matches");
  // Only faster: without it, where it cannot be had, the same is found.
  pcre2_jit_compile(compiled->code.get(), PCRE2_JIT_COMPLETE);
  compiled->match.reset(
      pcre2_match_data_create_from_pattern(compiled->code.get(), nullptr));
  compiled->context.reset(pcre2_match_context_create(nullptr));
  compiled->stack.reset(
      pcre2_jit_stack_create(size_t{32} << 10, kJitStackBytes, nullptr));
  SWITCHYARD_CHECK(compiled->match != nullptr && compiled->context != nullptr);
  if (compiled->stack != nullptr) {
    pcre2_jit_stack_assign(compiled->context.get(), nullptr,
                           compiled->stack.get());
  }
  return SplitPattern(std::move(compiled));
}

absl::Status SplitPattern::Split(absl::string_view text, PieceSink sink) const {
  const Compiled& c = *compiled_;
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(c.match.get());
  size_t done = 0;
  while (done < text.size()) {
    const int count = pcre2_match(
        c.code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
        done, PCRE2_NO_UTF_CHECK, c.match.get(), c.context.get());
    if (count == PCRE2_ERROR_NOMATCH) return sink(text.substr(done));
    // A look-around can move a match's ends (\K is refused): then it is none.
    if (count < 0 || found[1] <= found[0] || found[0] < done) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected text that the tokenizer's regular expression '",
          Printable(c.pattern), "' can be searched for in, found '",
          Printable(text.substr(done, 40)), "' (",
          count < 0 ? ErrorText(count) : "an empty match",
          "); break long lines or use another tokenizer"));
    }
    if (found[0] > done) {
      SWITCHYARD_RETURN_IF_ERROR(sink(text.substr(done, found[0] - done)));
    }
    SWITCHYARD_RETURN_IF_ERROR(
        sink(text.substr(found[0], found[1] - found[0])));
    done = found[1];
  }
  return absl::OkStatus();
}

}  // namespace switchyard
