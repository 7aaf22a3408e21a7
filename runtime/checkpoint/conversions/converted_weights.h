// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What conversions of checkpoints share: the new model's tensors are asked for
// one by one and written.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_CONVERSIONS_CONVERTED_WEIGHTS_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_CONVERSIONS_CONVERTED_WEIGHTS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "switchyard/base/dtype.h"
#include "switchyard/base/stream.h"
#include "switchyard/runtime/checkpoint/model_tensors.h"
#include "switchyard/runtime/checkpoint/model_weights.h"

namespace switchyard {

// The next elements of the tensor that is being written, in its dtype.
using Append = TakeElements;

// Writes the weights of `config` as the checkpoint `to`: each tensor in the
// dtype that `dtype_of` says, by `make`, which appends all its elements. An
// error if the config is not valid.
absl::Status WriteConverted(
    const ModelConfig& config, const std::string& version,
    const std::string& to,
    const std::function<DType(const ModelTensor& tensor)>& dtype_of,
    const std::function<absl::Status(const ModelTensor& tensor,
                                     const Append& append)>& make);

// Appends the values, each rounded once.
absl::Status AppendValues(absl::Span<const float> values, DType dtype,
                          const Append& append);
// Appends the parameter's initial value (ParameterStore::InitialValue).
absl::Status AppendInitialValue(Stream& stream, const Parameter& parameter,
                                uint64_t seed, DType dtype,
                                const Append& append);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_CONVERSIONS_CONVERTED_WEIGHTS_H_
