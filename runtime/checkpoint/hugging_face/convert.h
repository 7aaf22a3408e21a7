// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Models of Hugging Face as checkpoints, and back (docs/conversion.md). Every
// tensor is accounted for: none is missing, none is left over. No more than a
// few megabytes of a model are in memory.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_CONVERT_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_CONVERT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/base/dtype.h"

namespace switchyard {

struct ConversionReport {
  int64_t tensors = 0;
  int64_t parameters = 0;
  int64_t files = 1;
  // The head is a copy of the embedding, since the folder ties them.
  bool untied = false;
  bool widened = false;  // from fp16 to fp32
};

// The folder `from` as a checkpoint of weights, `to`. Without a dtype every
// tensor keeps its own; fp16, which no run computes in, becomes fp32, which has
// all its numbers. `version` is that of the program.
absl::StatusOr<ConversionReport> FromHuggingFace(const std::string& from,
                                                 const std::string& to,
                                                 std::optional<DType> dtype,
                                                 const std::string& version);

// A checkpoint or the newest one of a run (FindCheckpoint) as a folder. Without
// a dtype weights are those that a run computes with, each tensor in the dtype
// that it is stored in; in fp32 they are its master weights, where it has some.
absl::StatusOr<ConversionReport> ToHuggingFace(const std::string& from,
                                               const std::string& to,
                                               std::optional<DType> dtype,
                                               int64_t shard_bytes);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_CONVERT_H_
