// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/examples/03_moe_layer/layer_on_rank.h"

#include <utility>

#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/kernels/checksum.h"
#include "switchyard/kernels/elementwise.h"

namespace switchyard::examples {
namespace {

constexpr uint64_t kSeed = 1;
constexpr char kPrefix[] = "model.layers.0";

ModelConfig LayerConfig() {
  ModelConfig config;
  config.hidden_size = 64;
  config.intermediate_size = 128;
  config.experts = 8;
  config.experts_per_token = 2;
  config.initializer_range = 0.1f;
  return config;
}

// A function of (purpose, micro-batch) alone: any rank can make it.
void FillRandom(Stream& stream, const char* purpose, int micro_batch,
                const TensorView& values) {
  kernels::NormalArgs args;
  args.key = MixKey(MixKey(kSeed, purpose), static_cast<uint64_t>(micro_batch));
  args.y = values;
  kernels::Normal(stream, args);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LayerOnRank>> LayerOnRank::Create(
    comm::Communicator& world, int width) {
  const int experts = static_cast<int>(LayerConfig().experts);
  SWITCHYARD_ASSIGN_OR_RETURN(Grid grid, Grid::Create(world, width, experts));
  return std::unique_ptr<LayerOnRank>(new LayerOnRank(std::move(grid)));
}

LayerOnRank::LayerOnRank(Grid grid)
    : stream_(device_.NewStream()),
      arena_(device_),
      decision_arena_(device_),
      host_arena_(device_),
      grid_(std::move(grid)),
      store_(grid_, DType::kFloat32) {
  const ModelConfig config = LayerConfig();
  MoeLayer::Declare(store_, config, kPrefix);
  store_.Allocate(device_);
  store_.Initialize(*stream_, kSeed);
  store_.ZeroGradients(*stream_);
  layer_ = std::make_unique<MoeLayer>(store_, grid_, config, MoeOptions(),
                                      /*layer=*/0, kPrefix);
}

int64_t LayerOnRank::ChecksumOf(const ConstTensorView& tensor) {
  ArenaScope scratch(arena_);
  const TensorView sum = arena_.Allocate(DType::kInt64, {1});
  kernels::Checksum(*stream_, tensor, sum);
  int64_t result = 0;
  stream_->CopyToHost(&result, sum);
  stream_->Wait();
  return result;
}

absl::Status LayerOnRank::RunMicroBatch(int micro_batch, Results& results) {
  const Execution run{*stream_, arena_, decision_arena_, host_arena_, {}};
  ArenaScope activations(arena_);
  ArenaScope decisions(decision_arena_);
  ArenaScope tables(host_arena_);

  // A rank without a micro-batch takes part with no tokens: its experts may
  // still be chosen by others.
  const bool present = micro_batch < kMicroBatches;
  const int64_t tokens = present ? kTokens : 0;
  const Shape shape = {tokens, LayerConfig().hidden_size};
  const TensorView input = run.New(DType::kFloat32, shape);
  const TensorView output = run.New(DType::kFloat32, shape);
  const TensorView doutput = run.New(DType::kFloat32, shape);
  const TensorView valid = run.New(DType::kUInt8, {tokens});
  TokenBatch batch;
  batch.valid = valid;
  batch.micro_batch = micro_batch;
  batch.training = true;
  const std::vector<uint8_t> ones(tokens, 1);
  FillRandom(*stream_, "tokens", micro_batch, input);
  FillRandom(*stream_, "gradient of the output", micro_batch, doutput);
  stream_->CopyToDevice(valid, ones.data());

  SWITCHYARD_ASSIGN_OR_RETURN(const MoeLayer::Decision decision,
                              layer_->Decide(run, input, batch));
  SWITCHYARD_ASSIGN_OR_RETURN(const MoeLayer::Saved saved,
                              layer_->Forward(run, decision, input, output));
  SWITCHYARD_ASSIGN_OR_RETURN(const TensorView dinput,
                              layer_->Backward(run, decision, saved, batch,
                                               /*z_gradient=*/0.0f, doutput));

  results.received_rows[grid_.world().rank()] += decision.routing.received_rows;
  if (!present) return absl::OkStatus();
  results.outputs[micro_batch] = ChecksumOf(output);
  results.input_gradients[micro_batch] = ChecksumOf(dinput);
  for (int expert = 0; expert < grid_.experts(); ++expert) {
    results.loads[expert] += decision.routing.assigned[expert];
  }
  return absl::OkStatus();
}

absl::Status LayerOnRank::SumOverRanks(std::vector<int64_t>& values) {
  ArenaScope scratch(arena_);
  const TensorView table =
      arena_.Allocate(DType::kInt64, {static_cast<int64_t>(values.size())});
  stream_->CopyToDevice(table, values.data());
  SWITCHYARD_RETURN_IF_ERROR(
      grid_.world()
          .AllReduce(*stream_, table, comm::ReduceOp::kSum, {0, "results"})
          .Wait());
  stream_->CopyToHost(values.data(), table);
  stream_->Wait();
  return absl::OkStatus();
}

absl::Status LayerOnRank::SumGradients(Results& results) {
  // Gradients are integers, so their sum has no order.
  for (const ParameterGroup& group : store_.groups()) {
    SWITCHYARD_RETURN_IF_ERROR(group.ranks
                                   ->AllReduce(*stream_, group.gradients,
                                               comm::ReduceOp::kSum,
                                               {0, "gradients"})
                                   .Wait());
  }
  for (const auto& parameter : store_.parameters()) {
    // One of those who hold it speaks for it.
    const int first_owner = parameter->expert < 0
                                ? 0
                                : parameter->expert / grid_.experts_per_rank();
    if (grid_.world().rank() != first_owner) continue;
    results.weight_gradients[parameter->index] =
        ChecksumOf(parameter->gradient.sum);
  }
  return absl::OkStatus();
}

absl::StatusOr<Results> LayerOnRank::Run() {
  const comm::Communicator& world = grid_.world();
  Results results;
  results.outputs.resize(kMicroBatches);
  results.input_gradients.resize(kMicroBatches);
  results.weight_gradients.resize(store_.parameters().size());
  results.loads.resize(grid_.experts());
  results.received_rows.resize(world.size());
  for (int first = 0; first < kMicroBatches; first += world.size()) {
    SWITCHYARD_RETURN_IF_ERROR(RunMicroBatch(first + world.rank(), results));
  }
  SWITCHYARD_RETURN_IF_ERROR(SumGradients(results));
  // Of each checksum all addends but one are zero.
  for (std::vector<int64_t>* values :
       {&results.outputs, &results.input_gradients, &results.weight_gradients,
        &results.loads, &results.received_rows}) {
    SWITCHYARD_RETURN_IF_ERROR(SumOverRanks(*values));
  }
  return results;
}

}  // namespace switchyard::examples
