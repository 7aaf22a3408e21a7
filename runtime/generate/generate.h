// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// One text, token by token: what `switchyard generate` does.
#ifndef SWITCHYARD_RUNTIME_GENERATE_GENERATE_H_
#define SWITCHYARD_RUNTIME_GENERATE_GENERATE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/generate/decoder.h"
#include "switchyard/runtime/generate/token_sampler.h"

namespace switchyard {

struct GenerationRequest {
  std::vector<int32_t> prompt;  // at least one
  int64_t tokens = 0;           // to write
  TokenSamplerOptions sampler;
};

// One sentence: an empty prompt, an id outside the vocabulary, a number of
// tokens or an option of the sampler out of its range.
absl::Status Validate(const GenerationRequest& request,
                      const ModelConfig& model);

// Sequences of a rank that takes part in Generate.
inline int64_t GeneratedSequences(const comm::Communicator& world) {
  return world.rank() == 0 ? 1 : 0;
}

// Rank 0 of `world` holds the text: its decoder has one sequence, those of the
// others none (GeneratedSequences). The request is valid and the same on all
// ranks. `on_token` is called on rank 0 with each token as soon as it is
// chosen; an error of it ends the text, on all ranks. A collective call of the
// world.
absl::Status Generate(
    Decoder& decoder, comm::Communicator& world,
    const GenerationRequest& request,
    const std::function<absl::Status(int32_t token)>& on_token);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_GENERATE_GENERATE_H_
