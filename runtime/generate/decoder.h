// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A model that goes on from where its sequences are: all tokens of a prompt in
// one forward pass, then one after the other, each with the work of one token.
//
//   SWITCHYARD_ASSIGN_OR_RETURN(const auto decoder,
//                               Decoder::Create(options, grid, device));
//   SWITCHYARD_RETURN_IF_ERROR(RestoreWeights(checkpoint, decoder->store(),
//                                             decoder->stream()));
//   SWITCHYARD_RETURN_IF_ERROR(decoder->Forward(prompt));
//   decoder->logits(0)  // of the token after the prompt
//
// Experts are spread over the grid's ranks: Forward is a collective call, and a
// rank that holds no sequence passes no tokens. Routing is that of an
// evaluation, and drops nothing. A rank's sequences are one micro-batch, so
// logits do not depend on the layout, bit for bit.
#ifndef SWITCHYARD_RUNTIME_GENERATE_DECODER_H_
#define SWITCHYARD_RUNTIME_GENERATE_DECODER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "switchyard/base/arena.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/runtime/generate/kv_cache.h"
#include "switchyard/runtime/nn/transformer.h"

namespace switchyard {

struct DecoderOptions {
  ModelConfig model;
  DType dtype = DType::kFloat32;  // of weights, activations and the cache
  int64_t sequences = 1;   // of this rank, of equal length; 0: it holds none
  int64_t max_length = 0;  // positions that a sequence may get
};

// One sentence: experts that choose tokens see the future, and a sequence may
// not be longer than the model's positions.
absl::Status Validate(const DecoderOptions& options);

class Decoder {
 public:
  // Weights are undefined. The grid and the device must outlive the decoder.
  static absl::StatusOr<std::unique_ptr<Decoder>> Create(
      const DecoderOptions& options, const Grid& grid, Device& device);

  // The next tokens of this rank's sequences, as many of each, one sequence
  // behind the other: below the vocabulary, and no more than max_length in all.
  // A collective call of the expert-parallel group.
  absl::Status Forward(absl::Span<const int32_t> ids);
  // [vocabulary], of the token that follows the last one of a sequence of this
  // rank. Valid until the next Forward.
  absl::Span<const float> logits(int64_t sequence) const;
  // New sequences begin.
  void Restart() { cache_.Clear(); }

  ParameterStore& store() { return store_; }
  Stream& stream() { return *stream_; }
  const KvCache& cache() const { return cache_; }

 private:
  Decoder(const DecoderOptions& options, const Grid& grid, Device& device);
  TokenBatch ToDevice(const Execution& run, absl::Span<const int32_t> ids);
  void ComputeLogits(const Execution& run, const ConstTensorView& hidden);

  const DecoderOptions options_;
  comm::Communicator& world_;
  CpuDevice host_;
  std::unique_ptr<Stream> stream_;
  Arena arena_, decision_arena_, host_arena_;
  ParameterStore store_;
  std::unique_ptr<Transformer> model_;
  KvCache cache_;
  std::vector<uint8_t> valid_;  // ones
  std::vector<float> logits_;   // [sequences, vocabulary]
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_GENERATE_DECODER_H_
