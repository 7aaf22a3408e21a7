// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The rotary embedding's base, in older and newer files.
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/nn/model_config_parts.h"
#include "switchyard/runtime/nn/strict_json.h"

namespace switchyard::internal {
namespace {

using Json = nlohmann::json;

// "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"} of newer
// files.
absl::Status ReadRopeParameters(const Json& json, absl::string_view source,
                                double* theta, bool* found) {
  const char* kName = "rope_parameters";
  if (!json.is_object()) {
    return ConfigError(
        source, absl::StrCat("expected \"", kName, "\" to be an object, found ",
                             Shown(json), "; correct it"));
  }
  ConfigReader reader(json, source, absl::StrCat(kName, "."));
  for (const auto& [name, value] : json.items()) {
    const bool known = name == "rope_theta" || value.is_null() ||
                       (name == "rope_type" && value == "default") ||
                       (name == "partial_rotary_factor" && value == 1.0);
    if (!known) {
      return ConfigError(
          source, absl::StrCat("expected \"", kName,
                               "\" to hold rope_theta and rope_type "
                               "\"default\", found \"",
                               Printable(name), "\": ", Shown(value),
                               "; other rotary embeddings are not built"));
    }
  }
  *found = reader.Number("rope_theta", theta);
  return reader.status();
}

}  // namespace

absl::Status ReadRopeTheta(ConfigReader& reader, ModelConfig* config) {
  double* theta = &config->rope_theta;
  const bool top = reader.Number("rope_theta", theta);
  bool nested = false;
  double nested_theta = 0.0;
  if (const Json* json = reader.Find("rope_parameters")) {
    SWITCHYARD_RETURN_IF_ERROR(
        ReadRopeParameters(*json, reader.source(), &nested_theta, &nested));
  }
  if (top && nested && *theta != nested_theta) {
    return ConfigError(reader.source(),
                       absl::StrCat("expected one rotary base, found ", *theta,
                                    " in \"rope_theta\" and ", nested_theta,
                                    " in \"rope_parameters\"; remove one"));
  }
  if (nested) *theta = nested_theta;
  const double usual = FactsOf(config->family).rope_theta;
  if (!top && !nested && usual > 0.0) *theta = usual;
  reader.Require("rope_theta", top || nested || usual > 0.0);
  return reader.status();
}

}  // namespace switchyard::internal
