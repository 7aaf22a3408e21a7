// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/config_reader.h"

#include <charconv>

#include "switchyard/runtime/nn/strict_json.h"

namespace switchyard::internal {

absl::Status ConfigError(absl::string_view source, absl::string_view sentence) {
  return absl::InvalidArgumentError(absl::StrCat(source, ": ", sentence));
}

const nlohmann::json* ConfigReader::Find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool ConfigReader::Integer(const char* key, int64_t* value) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return false;
  // Unsigned numbers above int64_t's range would wrap.
  if (!found->is_number_integer() ||
      (found->is_number_unsigned() &&
       found->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))) {
    Wrong(key, "a whole number", *found);
    return false;
  }
  *value = found->get<int64_t>();
  return true;
}

bool ConfigReader::Boolean(const char* key, bool* value) {
  const nlohmann::json* found = Find(key);
  if (found == nullptr) return false;
  if (!found->is_boolean()) {
    Wrong(key, "true or false", *found);
    return false;
  }
  *value = found->get<bool>();
  return true;
}

void ConfigReader::Require(const char* key, bool found) {
  if (!found && status_.ok()) {
    status_ = ConfigError(source_, absl::StrCat("expected the key \"", prefix_,
                                                key, "\", found none; add it"));
  }
}

void ConfigReader::Wrong(const char* key, absl::string_view expected,
                         const nlohmann::json& found) {
  status_.Update(ConfigError(
      source_, absl::StrCat("expected \"", prefix_, key, "\" to be ", expected,
                            ", found ", Shown(found), "; correct it")));
}

double ShortestDecimal(float value) {
  char text[64];
  const char* end = std::to_chars(text, text + sizeof(text), value).ptr;
  double decimal = 0.0;
  std::from_chars(text, end, decimal);
  return decimal;
}

}  // namespace switchyard::internal
