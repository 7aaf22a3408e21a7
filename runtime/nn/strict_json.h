// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON from outside: what nlohmann's parser lets pass is an error here, so that
// no file means two things.
#ifndef SWITCHYARD_RUNTIME_NN_STRICT_JSON_H_
#define SWITCHYARD_RUNTIME_NN_STRICT_JSON_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace switchyard::internal {

// The text as one JSON object. An error, one sentence that starts with
// `source`, if it is not JSON, holds a key twice, nests without end or holds a
// number that is not finite. `wanted` is what to give instead.
absl::StatusOr<nlohmann::json> ParseStrictJson(absl::string_view text,
                                               absl::string_view source,
                                               absl::string_view wanted);

// A value on one line, cut to what a message can carry.
std::string Shown(const nlohmann::json& value);

}  // namespace switchyard::internal

#endif  // SWITCHYARD_RUNTIME_NN_STRICT_JSON_H_
