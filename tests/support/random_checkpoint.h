// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints of weights that a test makes, and what it finds in others.
#ifndef SWITCHYARD_TESTS_SUPPORT_RANDOM_CHECKPOINT_H_
#define SWITCHYARD_TESTS_SUPPORT_RANDOM_CHECKPOINT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "switchyard/base/dtype.h"
#include "switchyard/runtime/nn/model_config.h"

namespace switchyard::testing {

using EditWeights =
    std::function<void(const std::string& name, std::vector<float>& values)>;

// Normal numbers of deviation 0.3; norms about 1. `edit` changes them.
absl::Status WriteRandomCheckpoint(const ModelConfig& config,
                                   const std::string& path,
                                   const EditWeights& edit = nullptr,
                                   DType dtype = DType::kFloat32);

// All tensors of a checkpoint's model as fp32.
std::map<std::string, std::vector<float>> WeightsIn(const std::string& path);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_RANDOM_CHECKPOINT_H_
