// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How values of flags are read and written. What Print gives, Parse reads back
// to the same value.
#ifndef SWITCHYARD_LAUNCH_FLAGS_FLAG_TYPES_H_
#define SWITCHYARD_LAUNCH_FLAGS_FLAG_TYPES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/runtime/moe/capacity_factor.h"

namespace switchyard::launch {

// For each type: the words of "expected <what> for --name", Parse and Print.
template <typename T>
struct FlagType;

template <>
struct FlagType<bool> {
  static constexpr char kExpected[] = "true or false";
  static bool Parse(absl::string_view text, bool* value);
  static std::string Print(bool value);
};

// Counts; a negative number is no value of any flag.
template <>
struct FlagType<int64_t> {
  static constexpr char kExpected[] = "a whole number of 0 or more";
  static bool Parse(absl::string_view text, int64_t* value);
  static std::string Print(int64_t value);
};

template <>
struct FlagType<uint64_t> {
  static constexpr char kExpected[] = "a whole number of 0 or more";
  static bool Parse(absl::string_view text, uint64_t* value);
  static std::string Print(uint64_t value);
};

// Finite: neither NaN nor an infinity.
template <>
struct FlagType<double> {
  static constexpr char kExpected[] = "a finite number";
  static bool Parse(absl::string_view text, double* value);
  static std::string Print(double value);
};

template <>
struct FlagType<std::string> {
  static constexpr char kExpected[] = "text without line breaks";
  static bool Parse(absl::string_view text, std::string* value);
  static std::string Print(const std::string& value);
};

// Separated by commas; none is empty.
template <>
struct FlagType<std::vector<std::string>> {
  static constexpr char kExpected[] = "names separated by commas";
  static bool Parse(absl::string_view text, std::vector<std::string>* value);
  static std::string Print(const std::vector<std::string>& value);
};

template <>
struct FlagType<CapacityFactor> {
  static constexpr char kExpected[] =
      "a decimal number such as 1.25 with at most 9 digits on each side of the "
      "point";
  static bool Parse(absl::string_view text, CapacityFactor* value);
  static std::string Print(const CapacityFactor& value);
};

// Empty where another flag's value holds.
template <>
struct FlagType<std::optional<CapacityFactor>> {
  static constexpr const char* kExpected = FlagType<CapacityFactor>::kExpected;
  static bool Parse(absl::string_view text,
                    std::optional<CapacityFactor>* value);
  static std::string Print(const std::optional<CapacityFactor>& value);
};

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_FLAGS_FLAG_TYPES_H_
