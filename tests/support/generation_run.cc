// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/generation_run.h"

#include <functional>

#include "switchyard/base/check.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/tests/support/random_values.h"

namespace switchyard::testing {
namespace {

ModelConfig SmallModel() {
  ModelConfig model = SmallRun().model;
  model.initializer_range = 0.3f;
  return model;
}

void FillNearOne(const TensorView& values, Stream& stream, uint64_t seed) {
  const TensorView flat = values.Reshaped({values.element_count()});
  Storage storage(stream.device(), DType::kFloat32, flat.shape());
  const TensorView wide = storage.View(DType::kFloat32, flat.shape());
  std::vector<float> numbers;
  for (const double x : RandomValues(seed, flat.dim(0), 0.5, 1.5)) {
    numbers.push_back(static_cast<float>(x));
  }
  stream.CopyToDevice(wide, numbers.data());
  kernels::Cast(stream, wide, flat);
  stream.Wait();
}

}  // namespace

std::vector<NamedModel> GeneratingModels() {
  std::vector<NamedModel> models;
  const auto add = [&](const char* name,
                       const std::function<void(ModelConfig&)>& edit) {
    models.push_back({name, SmallModel()});
    edit(models.back().config);
  };
  add("grouped queries", [](ModelConfig&) {});
  add("multi-head", [](ModelConfig& m) { m.kv_heads = m.heads; });
  add("multi-query", [](ModelConfig& m) { m.kv_heads = 1; });
  add("window", [](ModelConfig& m) { m.attention.window = 5; });
  add("window of one", [](ModelConfig& m) { m.attention.window = 1; });
  add("norms of heads",
      [](ModelConfig& m) { m.attention.qk_norm = QkNorm::kHead; });
  add("norms of all heads, window", [](ModelConfig& m) {
    m.attention.qk_norm = QkNorm::kFull;
    m.attention.window = 7;
  });
  add("qkv biases", [](ModelConfig& m) {
    m.attention.bias = AttentionBias::kQkv;
    m.kv_heads = 1;
  });
  add("all biases and norms", [](ModelConfig& m) {
    m.attention.bias = AttentionBias::kAll;
    m.attention.qk_norm = QkNorm::kHead;
  });
  add("one expert a token, ReLU", [](ModelConfig& m) {
    m.experts_per_token = 1;
    m.feed_forward.activation = {kernels::Activation::kRelu, false};
  });
  add("gated GELU, shared expert with a gate", [](ModelConfig& m) {
    m.feed_forward.activation = {kernels::Activation::kGelu, true};
    m.feed_forward.shared_expert_intermediate_size = 16;
    m.feed_forward.shared_expert_gate = true;
  });
  add("dense layers between", [](ModelConfig& m) {
    m.layers = 3;
    m.feed_forward.decoder_sparse_step = 2;
    m.feed_forward.dense_intermediate_size = 40;
  });
  add("sigmoid with a bias and groups", [](ModelConfig& m) {
    m.router.scoring = kernels::RouterScoring::kSigmoid;
    m.router.selection_bias = true;
    m.router.topk_method = TopKMethod::kNoAuxTc;
    m.router.groups = 4;
    m.router.groups_per_token = 2;
    m.router.scaling = 2.5;
  });
  add("softmax after top-k",
      [](ModelConfig& m) { m.router.softmax_after_topk = true; });
  add("noisy top-k", [](ModelConfig& m) { m.router.noisy_top_k = true; });
  add("hash", [](ModelConfig& m) { m.router.type = RouterType::kHash; });
  return models;
}

void FillWeights(const ParameterStore& store, Stream& stream, uint64_t seed) {
  const_cast<ParameterStore&>(store).Initialize(stream, seed);
  for (const auto& parameter : store.parameters()) {
    if (!parameter->owned || !(parameter->is_norm || parameter->is_bias)) {
      continue;
    }
    FillNearOne(parameter->weight, stream, MixKey(seed, parameter->name));
  }
  for (const auto& state : store.states()) {
    FillNearOne(state->values, stream, MixKey(seed, state->name));
  }
}

std::vector<float> FullLogits(const ModelConfig& model, uint64_t seed,
                              absl::Span<const int32_t> ids,
                              int64_t sequences) {
  CpuDevice device(2), host;
  const auto world = comm::NewSelfCommunicator();
  const Grid grid = *Grid::Create(*world, 1, static_cast<int>(model.experts));
  const auto stream = device.NewStream();
  ParameterStore store(grid, DType::kFloat32);
  Transformer::Declare(store, model);
  store.Allocate(device);
  FillWeights(store, *stream, seed);
  const int64_t tokens = static_cast<int64_t>(ids.size());
  TransformerOptions options;
  options.sequence_length = tokens / sequences;
  const Transformer transformer(*stream, store, grid, model, options);

  Arena arena(device), decisions(device), tables(host);
  const Execution run{*stream, arena, decisions, tables, {}};
  TokenBatch batch;
  const TensorView on_device = run.New(DType::kInt32, {tokens});
  const TensorView valid = run.New(DType::kUInt8, {tokens});
  stream->CopyToDevice(on_device, ids.data());
  const std::vector<uint8_t> ones(ids.size(), 1);
  stream->CopyToDevice(valid, ones.data());
  batch.ids = on_device;
  batch.valid = valid;
  const auto saved = transformer.Forward(run, batch);
  SWITCHYARD_CHECK(saved.ok()) << saved.status();
  const TensorView logits =
      run.New(DType::kFloat32, {tokens, model.vocabulary});
  kernels::MatMul(*stream, {.a = saved->hidden(),
                            .b = transformer.head().weight,
                            .transpose_b = kernels::Transpose::kYes,
                            .c = logits});
  std::vector<float> result(static_cast<size_t>(logits.element_count()));
  stream->CopyToHost(result.data(), logits);
  stream->Wait();
  return result;
}

std::vector<int32_t> RandomIds(uint64_t seed, int64_t count,
                               int64_t vocabulary) {
  std::vector<int32_t> ids;
  for (const double id : RandomIntegers(seed, count, 0, vocabulary - 1)) {
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

absl::StatusOr<GeneratedText> GenerateOn(const Layout& layout,
                                         const ModelConfig& model, DType dtype,
                                         const GenerationRequest& request) {
  GeneratedText text;
  comm::Options comm_options;
  comm_options.timeout_seconds = 60;
  SWITCHYARD_RETURN_IF_ERROR(comm::RunRanks(
      layout.ranks, comm_options,
      [&](comm::Communicator& world) -> absl::Status {
        const std::unique_ptr<Device> device = MakeDevice(layout);
        SWITCHYARD_ASSIGN_OR_RETURN(
            const Grid grid,
            Grid::Create(world, layout.width, static_cast<int>(model.experts)));
        DecoderOptions options;
        options.model = model;
        options.dtype = dtype;
        options.sequences = GeneratedSequences(world);
        options.max_length =
            static_cast<int64_t>(request.prompt.size()) + request.tokens;
        SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<Decoder> decoder,
                                    Decoder::Create(options, grid, *device));
        FillWeights(decoder->store(), decoder->stream(), 7);
        return Generate(*decoder, world, request, [&](int32_t token) {
          text.tokens.push_back(token);
          const absl::Span<const float> logits = decoder->logits(0);
          text.logits.emplace_back(logits.begin(), logits.end());
          return absl::OkStatus();
        });
      }));
  return text;
}

}  // namespace switchyard::testing
