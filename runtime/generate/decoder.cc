// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/generate/decoder.h"

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/kernels/matmul.h"

namespace switchyard {
namespace {

TransformerOptions ModelOptions(const DecoderOptions& options) {
  TransformerOptions result;
  // A layer's activations go when the next one begins.
  result.recompute = true;
  result.sequence_length = options.max_length;
  return result;
}

}  // namespace

absl::Status Validate(const DecoderOptions& options) {
  const ModelConfig& model = options.model;
  if (model.router.type == RouterType::kExpertChoice) {
    return absl::InvalidArgumentError(
        "expected a router that decides about each token by itself, found "
        "expert_choice, whose experts choose among all tokens of a text and so "
        "see the future of one that is being written; use a model whose "
        "router_type is another");
  }
  if (options.max_length < 1 ||
      options.max_length > model.max_position_embeddings) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected prompt and continuation of 1 to ",
        model.max_position_embeddings,
        " tokens together, the model's max_position_embeddings, found ",
        options.max_length, "; shorten one of them"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Decoder>> Decoder::Create(
    const DecoderOptions& options, const Grid& grid, Device& device) {
  SWITCHYARD_RETURN_IF_ERROR(Validate(options));
  return std::unique_ptr<Decoder>(new Decoder(options, grid, device));
}

Decoder::Decoder(const DecoderOptions& options, const Grid& grid,
                 Device& device)
    : options_(options),
      world_(grid.world()),
      stream_(device.NewStream()),
      arena_(device),
      decision_arena_(device),
      host_arena_(host_),
      store_(grid, options.dtype),
      cache_(device, options.model, options.dtype,
             {options.sequences, options.max_length}),
      logits_(
          static_cast<size_t>(options.sequences * options.model.vocabulary)) {
  Transformer::Declare(store_, options.model);
  store_.Allocate(device, Gradients::kNo);
  model_ = std::make_unique<Transformer>(*stream_, store_, grid, options.model,
                                         ModelOptions(options));
  // Of the pass that is made most often.
  if (options.sequences > 0) model_->Prepare(options.sequences);
}

TokenBatch Decoder::ToDevice(const Execution& run,
                             absl::Span<const int32_t> ids) {
  const int64_t tokens = static_cast<int64_t>(ids.size());
  const TensorView on_device = run.New(DType::kInt32, {tokens});
  const TensorView valid = run.New(DType::kUInt8, {tokens});
  if (valid_.size() < ids.size()) valid_.assign(ids.size(), 1);
  if (tokens > 0) {
    run.stream.CopyToDevice(on_device, ids.data());
    run.stream.CopyToDevice(valid, valid_.data());
  }
  TokenBatch batch;
  batch.ids = on_device;
  batch.valid = valid;
  batch.micro_batch = world_.rank();
  batch.cache = &cache_;
  return batch;
}

void Decoder::ComputeLogits(const Execution& run,
                            const ConstTensorView& hidden) {
  if (hidden.dim(0) == 0) return;
  const int64_t length = hidden.dim(0) / options_.sequences;
  // The last row of every sequence.
  const ConstTensorView last(
      hidden.Rows(length - 1, length).raw(), hidden.dtype(),
      {options_.sequences, hidden.dim(1)}, length * hidden.row_stride());
  const TensorView logits =
      run.New(DType::kFloat32, {options_.sequences, options_.model.vocabulary});
  kernels::MatMul(run.stream, {.a = last,
                               .b = model_->head().weight,
                               .transpose_b = kernels::Transpose::kYes,
                               .c = logits});
  run.stream.CopyToHost(logits_.data(), logits);
}

absl::Status Decoder::Forward(absl::Span<const int32_t> ids) {
  const int64_t tokens = static_cast<int64_t>(ids.size());
  SWITCHYARD_CHECK(options_.sequences == 0
                       ? tokens == 0
                       : tokens > 0 && tokens % options_.sequences == 0)
      << tokens << " tokens of " << options_.sequences << " sequences";
  const int64_t length = tokens == 0 ? 0 : tokens / options_.sequences;
  SWITCHYARD_CHECK(cache_.length() + length <= options_.max_length)
      << cache_.length() << " + " << length << " of " << options_.max_length;
  {
    ArenaScope activations(arena_), decisions(decision_arena_),
        tables(host_arena_);
    const Execution run{*stream_,    arena_, decision_arena_,
                        host_arena_, {},     &world_.ledger()};
    SWITCHYARD_ASSIGN_OR_RETURN(const Transformer::Saved saved,
                                model_->Forward(run, ToDevice(run, ids)));
    ComputeLogits(run, saved.hidden());
    SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(*stream_, world_));
  }
  cache_.Advance(length);
  arena_.Compact();
  decision_arena_.Compact();
  host_arena_.Compact();
  return absl::OkStatus();
}

absl::Span<const float> Decoder::logits(int64_t sequence) const {
  SWITCHYARD_CHECK(sequence >= 0 && sequence < options_.sequences) << sequence;
  const size_t width = static_cast<size_t>(options_.model.vocabulary);
  return absl::MakeConstSpan(logits_).subspan(sequence * width, width);
}

}  // namespace switchyard
