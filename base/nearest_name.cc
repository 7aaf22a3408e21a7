// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/nearest_name.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace switchyard {
namespace {

constexpr size_t kPrintableLength = 60;

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

absl::string_view NearestName(absl::string_view name,
                              const std::vector<absl::string_view>& known) {
  // A name from a file may be long; what lies beyond decides nothing.
  name = name.substr(0, kPrintableLength);
  absl::string_view nearest;
  size_t least = std::numeric_limits<size_t>::max();
  for (const absl::string_view candidate : known) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  const bool near =
      least <= std::max<size_t>(2, name.size() / 2) && least < nearest.size();
  return near ? nearest : "";
}

std::string Printable(absl::string_view text) {
  size_t length = std::min(text.size(), kPrintableLength);
  // Do not cut a UTF-8 sequence in two.
  while (length > 0 && length < text.size() && (text[length] & 0xC0) == 0x80) {
    --length;
  }
  std::string result;
  for (const char c : text.substr(0, length)) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      absl::StrAppend(&result, "\\x", absl::Hex(c, absl::kZeroPad2));
    } else {
      result.push_back(c);
    }
  }
  if (length < text.size()) result += "...";
  return result;
}

}  // namespace switchyard
