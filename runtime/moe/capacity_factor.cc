// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/capacity_factor.h"

#include <algorithm>
#include <utility>

#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "switchyard/base/check.h"
#include "switchyard/base/nearest_name.h"

namespace switchyard {
namespace {

constexpr size_t kMaxDigits = 9;

bool AreDigits(absl::string_view text) {
  return text.size() <= kMaxDigits &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(c); });
}

}  // namespace

absl::StatusOr<CapacityFactor> CapacityFactor::Parse(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits('.', 1));
  const auto [whole, fraction] = parts;
  if (whole.empty() || !AreDigits(whole) || !AreDigits(fraction)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a decimal number such as 1.25 with at most ", kMaxDigits,
        " digits on each side of the point, found '", Printable(text), "'"));
  }
  int64_t numerator = 0;
  for (const char digit : whole) numerator = numerator * 10 + (digit - '0');
  int64_t denominator = 1;
  for (const char digit : fraction) {
    numerator = numerator * 10 + (digit - '0');
    denominator *= 10;
  }
  while (denominator > 1 && numerator % 10 == 0) {
    numerator /= 10;
    denominator /= 10;
  }
  return CapacityFactor(numerator, denominator);
}

int64_t CapacityFactor::Capacity(int64_t k, int64_t tokens,
                                 int64_t experts) const {
  SWITCHYARD_CHECK(!dropless() && k > 0 && tokens > 0 && experts > 0)
      << ToString() << " " << k << " " << tokens << " " << experts;
  const absl::uint128 rows =
      absl::uint128(numerator_) * absl::uint128(k) * absl::uint128(tokens);
  const absl::uint128 parts =
      absl::uint128(denominator_) * absl::uint128(experts);
  const absl::uint128 capacity = (rows + parts - 1) / parts;
  return capacity > absl::uint128(tokens) ? tokens
                                          : static_cast<int64_t>(capacity);
}

std::string CapacityFactor::ToString() const {
  if (denominator_ == 1) return absl::StrCat(numerator_);
  const std::string fraction =
      absl::StrCat(denominator_ + numerator_ % denominator_);
  return absl::StrCat(numerator_ / denominator_, ".", fraction.substr(1));
}

}  // namespace switchyard
