// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Typed values out of a config's JSON, with one sentence for what is wrong.
// Internal to the model's config.
#ifndef SWITCHYARD_RUNTIME_NN_CONFIG_READER_H_
#define SWITCHYARD_RUNTIME_NN_CONFIG_READER_H_

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace switchyard::internal {

// "source: sentence".
absl::Status ConfigError(absl::string_view source, absl::string_view sentence);

// Takes typed values out of a JSON object. Each function returns whether the
// key is there and right. The first error stays; later reads then change
// nothing that matters.
class ConfigReader {
 public:
  // `source` names the file, `prefix` the object within it.
  ConfigReader(const nlohmann::json& object, absl::string_view source,
               std::string prefix = "")
      : object_(object), source_(source), prefix_(std::move(prefix)) {}

  const absl::Status& status() const { return status_; }
  absl::string_view source() const { return source_; }

  // Null where the key is absent or its value is null ("not set").
  const nlohmann::json* Find(const char* key) const;
  // Whether the key is there, if only as null.
  bool Has(const char* key) const { return object_.contains(key); }

  bool Integer(const char* key, int64_t* value);
  bool Boolean(const char* key, bool* value);
  template <typename T>
  bool Number(const char* key, T* value) {
    const nlohmann::json* found = Find(key);
    if (found == nullptr) return false;
    if (!found->is_number() ||
        !std::isfinite(static_cast<T>(found->get<double>()))) {
      Wrong(key, "a number", *found);
      return false;
    }
    *value = static_cast<T>(found->get<double>());
    return true;
  }
  // One of several names.
  template <typename T>
  bool Choice(const char* key,
              const std::vector<std::pair<const char*, T>>& choices, T* value) {
    const nlohmann::json* found = Find(key);
    if (found == nullptr) return false;
    std::string names;
    for (const auto& [name, meaning] : choices) {
      if (*found == name) {
        *value = meaning;
        return true;
      }
      absl::StrAppend(&names, names.empty() ? "\"" : ", \"", name, "\"");
    }
    Wrong(key, absl::StrCat("one of ", names), *found);
    return false;
  }

  void Require(const char* key, bool found);
  // Notes that `key` was to be `expected`.
  void Wrong(const char* key, absl::string_view expected,
             const nlohmann::json& found);

 private:
  const nlohmann::json& object_;
  absl::string_view source_;
  std::string prefix_;
  absl::Status status_;
};

template <typename T>
absl::Status InRange(absl::string_view source, const char* key, T value,
                     T least, T most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return ConfigError(
      source, absl::StrCat("expected \"", key, "\" between ", least, " and ",
                           most, ", found ", value, "; correct it"));
}

// The double whose decimal is the float's shortest: 1e-5f prints as 1e-05.
double ShortestDecimal(float value);

}  // namespace switchyard::internal

#endif  // SWITCHYARD_RUNTIME_NN_CONFIG_READER_H_
