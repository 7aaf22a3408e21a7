// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/generate/generate.h"

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard {

absl::Status Validate(const GenerationRequest& request,
                      const ModelConfig& model) {
  if (request.prompt.empty()) {
    return absl::InvalidArgumentError(
        "expected a prompt of at least one token, found an empty one; give "
        "some text in --prompt or --prompt_file, or ids in --prompt_ids");
  }
  for (const int32_t id : request.prompt) {
    if (id >= 0 && id < model.vocabulary) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("expected token ids from 0 to ", model.vocabulary - 1,
                     ", the model's vocabulary, found ", id,
                     " in the prompt; correct it or use another model"));
  }
  if (request.tokens < 1 || request.tokens > model.max_position_embeddings) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --tokens from 1 to the model's max_position_embeddings, ",
        model.max_position_embeddings, ", found ", request.tokens,
        "; choose another number"));
  }
  return Validate(request.sampler);
}

absl::Status Generate(
    Decoder& decoder, comm::Communicator& world,
    const GenerationRequest& request,
    const std::function<absl::Status(int32_t token)>& on_token) {
  const bool writes = GeneratedSequences(world) == 1;
  TokenSampler sampler(request.sampler);
  absl::Span<const int32_t> next;
  if (writes) next = request.prompt;
  int64_t position = static_cast<int64_t>(request.prompt.size());
  int32_t token = 0;
  for (int64_t i = 0; i < request.tokens; ++i, ++position) {
    SWITCHYARD_RETURN_IF_ERROR(decoder.Forward(next));
    absl::Status status;
    if (writes) {
      const absl::StatusOr<int32_t> sampled =
          sampler.Sample(decoder.logits(0), position);
      status = sampled.status();
      if (sampled.ok()) {
        token = *sampled;
        next = {&token, 1};
        status = on_token(token);
      }
    }
    SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, status));
  }
  return absl::OkStatus();
}

}  // namespace switchyard
