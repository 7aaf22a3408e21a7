// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of a model config's keys. What is not in it is refused.
#ifndef SWITCHYARD_RUNTIME_NN_MODEL_CONFIG_KEYS_H_
#define SWITCHYARD_RUNTIME_NN_MODEL_CONFIG_KEYS_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace switchyard::internal {

enum class ConfigKeyKind {
  kUsed,      // becomes part of ModelConfig, or is checked against it
  kIgnored,   // known and without effect on the function: any value
  kOnlyThis,  // known; any other value would change the function
};

struct ConfigKey {
  const char* name;
  ConfigKeyKind kind;
  // For kOnlyThis: the one value, as JSON. Numbers compare by value; null is
  // accepted as well, since it means "not set".
  const char* value = "";
};

absl::Span<const ConfigKey> ConfigKeys();

// Null if `name` is not in the table.
const ConfigKey* FindConfigKey(absl::string_view name);

}  // namespace switchyard::internal

#endif  // SWITCHYARD_RUNTIME_NN_MODEL_CONFIG_KEYS_H_
