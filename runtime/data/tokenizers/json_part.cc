// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/json_part.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/runtime/nn/strict_json.h"

namespace switchyard::internal {
namespace {

const nlohmann::json& Null() {
  static const nlohmann::json null;
  return null;
}

// Long lists and tables are not spelled out.
std::string Found(const nlohmann::json& value) {
  if (value.is_structured() && value.size() > 8) {
    return absl::StrCat("an ", value.type_name(), " of ", value.size());
  }
  return Shown(value);
}

}  // namespace

bool JsonPart::Is(absl::string_view text) const {
  return value_->is_string() && value_->get_ref<const std::string&>() == text;
}

absl::Status JsonPart::Refuse(absl::string_view wanted,
                              absl::string_view advice) const {
  return absl::InvalidArgumentError(absl::StrCat(
      place_, ": expected ", wanted, ", found ", Found(*value_), "; ", advice));
}

JsonPart JsonPart::operator[](absl::string_view key) const {
  std::string place = absl::StrCat(place_, ".", key);
  if (!value_->is_object()) return JsonPart(Null(), std::move(place));
  const auto found = value_->find(std::string(key));
  return JsonPart(found == value_->end() ? Null() : *found, std::move(place));
}

JsonPart JsonPart::operator[](size_t index) const {
  return JsonPart((*value_)[index], absl::StrCat(place_, "[", index, "]"));
}

absl::Status JsonPart::CheckKeys(
    const std::vector<absl::string_view>& known) const {
  if (!value_->is_object()) return Refuse("an object", "correct the file");
  for (const auto& item : value_->items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) {
      continue;
    }
    return absl::UnimplementedError(absl::StrCat(
        place_,
        ": expected no keys but those that docs/data.md lists, found "
        "\"",
        Printable(item.key()),
        "\"; tokenize with the program that the file is from and give the "
        "tokens"));
  }
  return absl::OkStatus();
}

absl::Status JsonPart::CheckArray() const {
  return value_->is_array() ? absl::OkStatus()
                            : Refuse("a list", "correct the file");
}

absl::StatusOr<std::string> JsonPart::Text() const {
  if (!value_->is_string()) return Refuse("a string", "correct the file");
  return value_->get<std::string>();
}

absl::StatusOr<bool> JsonPart::Flag(absl::string_view key, bool missing) const {
  const JsonPart part = (*this)[key];
  if (part.is_null()) return missing;
  if (!part.value().is_boolean()) {
    return part.Refuse("true or false", "correct the file");
  }
  return part.value().get<bool>();
}

absl::Status JsonPart::CheckOff(absl::string_view key) const {
  const JsonPart part = (*this)[key];
  const nlohmann::json& value = part.value();
  const bool is_false = value.is_boolean() && !value.get<bool>();
  if (value.is_null() || is_false || part.Is("")) return absl::OkStatus();
  return part.Refuse("nothing",
                     "it is not known here: tokenize with the program that the "
                     "file is from and give the tokens");
}

}  // namespace switchyard::internal
