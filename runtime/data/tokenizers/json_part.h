// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A value inside a JSON file, with its place for messages. Not installed.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_JSON_PART_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_JSON_PART_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace switchyard::internal {

class JsonPart {
 public:
  JsonPart(const nlohmann::json& value, std::string place)
      : value_(&value), place_(std::move(place)) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& place() const { return place_; }
  bool is_null() const { return value_->is_null(); }
  bool Is(absl::string_view text) const;  // this string

  // "<place>: expected <wanted>, found <this value>; <advice>".
  absl::Status Refuse(absl::string_view wanted, absl::string_view advice) const;

  // Of an object: the value of `key`, null if there is none.
  JsonPart operator[](absl::string_view key) const;
  // Of an array.
  JsonPart operator[](size_t index) const;

  // An error unless it is an object whose keys are all among `known`.
  absl::Status CheckKeys(const std::vector<absl::string_view>& known) const;
  // An error unless it is an array.
  absl::Status CheckArray() const;
  absl::StatusOr<std::string> Text() const;
  // The value of `key`, `missing` if there is none.
  absl::StatusOr<bool> Flag(absl::string_view key, bool missing) const;
  // An error unless the value of `key` is missing, null, false or empty.
  absl::Status CheckOff(absl::string_view key) const;

 private:
  const nlohmann::json* value_;
  std::string place_;
};

}  // namespace switchyard::internal

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_JSON_PART_H_
