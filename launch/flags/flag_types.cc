// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/flags/flag_types.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace switchyard::launch {
namespace {

// The whole text as a number, without spaces or a plus sign. Unlike strtod,
// from_chars does not ask the locale.
template <typename T>
bool ParseWhole(absl::string_view text, T* value) {
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && last == end;
}

bool HasControlCharacters(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
}

}  // namespace

bool FlagType<bool>::Parse(absl::string_view text, bool* value) {
  *value = text == "true";
  return text == "true" || text == "false";
}

std::string FlagType<bool>::Print(bool value) {
  return value ? "true" : "false";
}

bool FlagType<int64_t>::Parse(absl::string_view text, int64_t* value) {
  return ParseWhole(text, value) && *value >= 0;
}

std::string FlagType<int64_t>::Print(int64_t value) {
  return std::to_string(value);
}

bool FlagType<uint64_t>::Parse(absl::string_view text, uint64_t* value) {
  return ParseWhole(text, value);
}

std::string FlagType<uint64_t>::Print(uint64_t value) {
  return std::to_string(value);
}

bool FlagType<double>::Parse(absl::string_view text, double* value) {
  return ParseWhole(text, value) && std::isfinite(*value);
}

std::string FlagType<double>::Print(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  return error == std::errc() ? std::string(text, end) : "";
}

bool FlagType<std::string>::Parse(absl::string_view text, std::string* value) {
  *value = std::string(text);
  return !HasControlCharacters(text);
}

std::string FlagType<std::string>::Print(const std::string& value) {
  return value;
}

bool FlagType<std::vector<std::string>>::Parse(
    absl::string_view text, std::vector<std::string>* value) {
  *value = absl::StrSplit(text, ',');
  return !HasControlCharacters(text) &&
         std::none_of(value->begin(), value->end(),
                      [](const std::string& part) { return part.empty(); });
}

std::string FlagType<std::vector<std::string>>::Print(
    const std::vector<std::string>& value) {
  return absl::StrJoin(value, ",");
}

bool FlagType<CapacityFactor>::Parse(absl::string_view text,
                                     CapacityFactor* value) {
  const absl::StatusOr<CapacityFactor> parsed = CapacityFactor::Parse(text);
  if (parsed.ok()) *value = *parsed;
  return parsed.ok();
}

std::string FlagType<CapacityFactor>::Print(const CapacityFactor& value) {
  return value.ToString();
}

bool FlagType<std::optional<CapacityFactor>>::Parse(
    absl::string_view text, std::optional<CapacityFactor>* value) {
  CapacityFactor factor;
  if (!FlagType<CapacityFactor>::Parse(text, &factor)) return false;
  *value = factor;
  return true;
}

std::string FlagType<std::optional<CapacityFactor>>::Print(
    const std::optional<CapacityFactor>& value) {
  return value ? value->ToString() : "";
}

}  // namespace switchyard::launch
