// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What Hugging Face's files call a tensor. All names are the same but for those
// of experts, which here are Mixtral's in every family (docs/conversion.md):
//
//   here                                      Qwen3-MoE, OLMoE
//   ...N.block_sparse_moe.gate.weight         ...N.mlp.gate.weight
//   ...N.block_sparse_moe.experts.E.w1.weight
//   ...N.mlp.experts.E.gate_proj.weight
//                                  .w3                          .up_proj
//                                  .w2                          .down_proj
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_TENSOR_NAMES_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_TENSOR_NAMES_H_

#include <string>

#include "switchyard/runtime/nn/model_family.h"

namespace switchyard {

// `name` is that of a parameter.
std::string HuggingFaceName(ModelFamily family, const std::string& name);

// Whether a file may have the tensor and no class reads it: the rotary
// embedding's frequencies in files of older Llamas, which follow from the
// config.
bool IsUnusedInHuggingFace(const std::string& name);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_TENSOR_NAMES_H_
