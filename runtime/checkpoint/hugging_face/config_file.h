// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A model's config.json as transformers reads it: the keys of the family's own
// class and nothing else.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_CONFIG_FILE_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_CONFIG_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/base/dtype.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard {

// An error, one sentence that starts with `source`, if the family's class in
// Hugging Face computes something else than the config says, or has no key for
// it. What only training knows (z-loss, initial values) is no difference.
absl::Status CheckHuggingFaceClass(const ModelConfig& config,
                                   absl::string_view source);

// `dtype` is that of the weights: torch_dtype. Which tokens begin and end a
// text is not known here and written as null.
std::string ToHuggingFaceJson(const ModelConfig& config, DType dtype);

struct HuggingFaceConfig {
  ModelConfig model;
  // tie_word_embeddings: the file's head is its embedding.
  bool ties_embeddings = false;
};

// A config.json from there, checked by CheckHuggingFaceClass.
absl::StatusOr<HuggingFaceConfig> ParseHuggingFaceConfig(
    absl::string_view json, absl::string_view source);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_CONFIG_FILE_H_
