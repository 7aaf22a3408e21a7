// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/parallel/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/arena.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/kernels/checksum.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/moe/balance_loss.h"
#include "switchyard/runtime/nn/loss.h"
#include "switchyard/runtime/nn/transformer.h"
#include "switchyard/runtime/optim/sharded_adamw.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard {
namespace {

constexpr uint64_t kSeed = 1;

// Tokens of the training step: several tiles of attention and chunks of the
// head, and last ones that are not whole. A GPU's tiles are smaller.
struct Sample {
  int64_t sequences = 0;
  int64_t sequence_length = 0;

  int64_t tokens() const { return sequences * sequence_length; }
};
Sample SampleFor(const Device& device) {
  return device.kind() == DeviceKind::kCpu ? Sample{2, 136} : Sample{1, 72};
}
// Its model's widths are at most this, and its experts' together.
constexpr int64_t kLargestWidth = 512;
constexpr int64_t kLargestExpertWidths = 8 * kLargestWidth;

// Of the products at the model's own widths.
constexpr int64_t kRows = 64;
// Operators cut results into blocks of this many columns.
constexpr int64_t kBlockColumns = 512;

// The model, small enough to cost nothing. A small model stays as it is, apart
// from its depth and vocabulary.
ModelConfig Shrunk(const ModelConfig& config, const Sample& sample) {
  ModelConfig model = config;
  const int64_t heads_per_kv_head = config.heads / config.kv_heads;
  // One layer of each kind.
  const int64_t expert_layers = ExpertLayerCount(config);
  const bool has_dense = expert_layers < config.layers;
  model.layers = has_dense ? 2 : 1;
  FeedForwardConfig& feed_forward = model.feed_forward;
  feed_forward.first_k_dense_replace =
      has_dense ? (expert_layers > 0 ? 1 : 2) : 0;
  feed_forward.moe_layer_freq = feed_forward.decoder_sparse_step = 1;
  feed_forward.mlp_only_layers.clear();
  model.hidden_size = std::min(config.hidden_size, kLargestWidth);
  model.kv_heads = std::min<int64_t>(config.kv_heads, 2);
  model.heads = model.kv_heads * heads_per_kv_head;
  model.intermediate_size =
      std::min(config.intermediate_size,
               std::max<int64_t>(kLargestExpertWidths / config.experts, 8));
  feed_forward.dense_intermediate_size =
      std::min(DenseWidth(config), kLargestWidth);
  feed_forward.n_shared_experts =
      std::min<int64_t>(feed_forward.n_shared_experts, 1);
  feed_forward.shared_expert_intermediate_size =
      std::min(feed_forward.shared_expert_intermediate_size, kLargestWidth);
  model.vocabulary = std::min(config.vocabulary, kLargestWidth);
  model.initializer_range = 0.1f;
  // So that it leaves something out.
  model.attention.window =
      std::min(config.attention.window, sample.sequence_length / 2);
  return model;
}

// So many of a result's columns that it has a whole block and the last one.
int64_t SomeColumns(int64_t columns) {
  return columns <= 2 * kBlockColumns ? columns
                                      : kBlockColumns + columns % kBlockColumns;
}

// Mixes the checksums of what operators make of fixed inputs.
class Fingerprinter {
 public:
  explicit Fingerprinter(Stream& stream)
      : stream_(stream),
        arena_(stream.device()),
        sample_(SampleFor(stream.device())) {}

  void AddTrainingStep(const ModelConfig& model, DType dtype);
  void AddProducts(DType dtype, int64_t in, int64_t out);
  void AddHostMathematics(const ModelConfig& config);
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  TensorView Input(DType dtype, const Shape& shape);
  TokenBatch Tokens(int64_t vocabulary);
  void AddPasses(const Transformer& transformer, const TokenBatch& batch);
  void AddUpdate(const Grid& grid, ParameterStore& store);
  // Wait for the stream.
  void Add(const ConstTensorView& result);
  void AddDoubles(const ConstTensorView& result);

  void Add(uint64_t value) { fingerprint_ = MixKey(fingerprint_, value); }
  void Add(double value) {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    Add(bits);
  }

  Stream& stream_;
  Arena arena_;
  const Sample sample_;
  uint64_t inputs_ = 0;
  uint64_t fingerprint_ = 0;
};

TensorView Fingerprinter::Input(DType dtype, const Shape& shape) {
  const TensorView result = arena_.Allocate(dtype, shape);
  ArenaScope scratch(arena_);
  const TensorView wide = dtype == DType::kFloat32
                              ? result
                              : arena_.Allocate(DType::kFloat32, shape);
  kernels::Normal(stream_, {.key = ++inputs_, .y = wide});
  if (dtype != DType::kFloat32) kernels::Cast(stream_, wide, result);
  return result;
}

void Fingerprinter::Add(const ConstTensorView& result) {
  ArenaScope scratch(arena_);
  const TensorView sum = arena_.Allocate(DType::kInt64, {1});
  kernels::Checksum(stream_, result, sum);
  int64_t value = 0;
  stream_.CopyToHost(&value, sum);
  stream_.Wait();
  Add(static_cast<uint64_t>(value));
}

void Fingerprinter::AddDoubles(const ConstTensorView& result) {
  std::vector<double> values(static_cast<size_t>(result.element_count()));
  stream_.CopyToHost(values.data(), result);
  stream_.Wait();
  for (double value : values) Add(value);
}

TokenBatch Fingerprinter::Tokens(int64_t vocabulary) {
  const int64_t tokens = sample_.tokens();
  std::vector<int32_t> ids, labels;
  std::vector<uint8_t> valid;
  for (int64_t i = 0; i < tokens; ++i) {
    ids.push_back(static_cast<int32_t>(i * i % vocabulary));
    labels.push_back(
        i % 7 == 0 ? kNoLabel : static_cast<int32_t>((3 * i + 1) % vocabulary));
    valid.push_back(i % 31 == 0 ? 0 : 1);
  }
  const TensorView device_ids = arena_.Allocate(DType::kInt32, {tokens});
  const TensorView device_labels = arena_.Allocate(DType::kInt32, {tokens});
  const TensorView device_valid = arena_.Allocate(DType::kUInt8, {tokens});
  stream_.CopyToDevice(device_ids, ids.data());
  stream_.CopyToDevice(device_labels, labels.data());
  stream_.CopyToDevice(device_valid, valid.data());
  return {device_ids, device_labels, device_valid, /*micro_batch=*/0,
          /*training=*/true};
}

// Forward and backward of one micro-batch, losses included.
void Fingerprinter::AddPasses(const Transformer& transformer,
                              const TokenBatch& batch) {
  CpuDevice host;
  Arena decisions(stream_.device()), tables(host);
  const Execution run{stream_, arena_, decisions, tables, {}, nullptr, 0};
  absl::StatusOr<Transformer::Saved> saved = transformer.Forward(run, batch);
  SWITCHYARD_CHECK(saved.ok()) << saved.status();
  Add(saved->hidden());

  for (const int layer : transformer.expert_layers()) {
    MoeLayer::Decision* decision = &saved->blocks[layer].decision;
    const TensorView router_losses = run.New(DType::kFloat64, {1, 2});
    SwitchBalanceLoss(0.01).Compute(run, {&decision, 1}, batch,
                                    /*weight=*/1.0, router_losses);
    AddDoubles(router_losses);
  }
  const TensorView loss = run.New(DType::kFloat64, {1});
  const TensorView dhidden =
      run.New(saved->hidden().dtype(), saved->hidden().shape());
  NextTokenLoss(transformer.head())
      .EvaluateWithGradient(run, batch, saved->hidden(),
                            1.0f / static_cast<float>(sample_.tokens()), loss,
                            dhidden);
  AddDoubles(loss);
  Add(dhidden);
  const absl::Status status = transformer.Backward(
      run, *saved, 0.001f / static_cast<float>(sample_.tokens()), dhidden);
  SWITCHYARD_CHECK(status.ok()) << status;
  stream_.Wait();
}

// The gradient sums, their norm, and AdamW.
void Fingerprinter::AddUpdate(const Grid& grid, ParameterStore& store) {
  AdamWOptions options;
  options.clip_norm = 1e-3;
  ShardedAdamW optimizer(stream_, grid, store, options, kSeed);
  for (const ParameterGroup& group : store.groups()) Add(group.gradients);
  const absl::StatusOr<GradientReport> report = optimizer.ReduceGradients();
  SWITCHYARD_CHECK(report.ok()) << report.status();
  Add(report->norm);
  const absl::Status status = optimizer.Update(0.01, report->norm);
  SWITCHYARD_CHECK(status.ok()) << status;
  for (const ParameterGroup& group : store.groups()) Add(group.weights);
}

void Fingerprinter::AddTrainingStep(const ModelConfig& model, DType dtype) {
  const std::unique_ptr<comm::Communicator> alone = comm::NewSelfCommunicator();
  const absl::StatusOr<Grid> grid =
      Grid::Create(*alone, /*width=*/1, static_cast<int>(model.experts));
  SWITCHYARD_CHECK(grid.ok()) << grid.status();
  ParameterStore store(*grid, dtype);
  Transformer::Declare(store, model);
  store.Allocate(stream_.device());
  store.Initialize(stream_, kSeed);
  store.ZeroGradients(stream_);
  TransformerOptions options;
  options.sequence_length = sample_.sequence_length;
  const Transformer transformer(stream_, store, *grid, model, options);
  ArenaScope activations(arena_);
  AddPasses(transformer, Tokens(model.vocabulary));
  AddUpdate(*grid, store);
}

// Forward product, input gradient and weight gradient of a layer: inner
// dimensions are the layer's, results are as wide as they must be.
void Fingerprinter::AddProducts(DType dtype, int64_t in, int64_t out) {
  ArenaScope scratch(arena_);
  const int64_t some_in = SomeColumns(in), some_out = SomeColumns(out);
  const TensorView x = Input(dtype, {kRows, in});
  const TensorView dy = Input(dtype, {kRows, out});
  {
    ArenaScope weights(arena_);
    const TensorView y = arena_.Allocate(dtype, {kRows, some_out});
    kernels::MatMul(stream_, {.a = x,
                              .b = Input(dtype, {some_out, in}),
                              .transpose_b = kernels::Transpose::kYes,
                              .c = y});
    Add(y);
  }
  {
    ArenaScope weights(arena_);
    const TensorView dx = arena_.Allocate(dtype, {kRows, some_in});
    kernels::MatMul(stream_,
                    {.a = dy, .b = Input(dtype, {out, some_in}), .c = dx});
    Add(dx);
  }
  const kernels::GradientSum gradient = {
      arena_.Allocate(DType::kInt64, {some_out, some_in}),
      arena_.Allocate(DType::kInt64, {1})};
  stream_.Zero(gradient.sum);
  stream_.Zero(gradient.refused);
  kernels::WeightGradient(stream_, {.dy = dy.Columns(0, some_out),
                                    .x = x.Columns(0, some_in),
                                    .format = {},
                                    .gradients = {&gradient, 1}});
  Add(gradient.sum);
}

// What the library computes with the C library: rotary tables, schedules,
// losses.
void Fingerprinter::AddHostMathematics(const ModelConfig& config) {
  for (int i = 1; i <= 64; ++i) {
    const double x = 0.37 * i;
    Add(std::exp(-x));
    Add(std::cos(x));
    Add(std::log(x));
    Add(std::pow(config.rope_theta, -x / 64.0));
  }
}

}  // namespace

uint64_t ArithmeticFingerprint(Stream& stream, const ModelConfig& config,
                               DType dtype) {
  Fingerprinter print(stream);
  print.AddTrainingStep(Shrunk(config, SampleFor(stream.device())), dtype);
  const int64_t hidden = config.hidden_size;
  const int64_t heads = config.heads * config.head_dim;
  const int64_t kv = config.kv_heads * config.head_dim;
  print.AddProducts(dtype, hidden, heads + 2 * kv);
  print.AddProducts(dtype, heads, hidden);
  const kernels::ActivationKind activation = config.feed_forward.activation;
  const auto add_network = [&](int64_t width) {
    print.AddProducts(dtype, hidden, activation.InnerWidth(width));
    print.AddProducts(dtype, width, hidden);
  };
  const int64_t expert_layers = ExpertLayerCount(config);
  if (expert_layers > 0) {
    add_network(config.intermediate_size);
    print.AddProducts(DType::kFloat32, hidden, config.experts);
    if (SharedWidth(config) > 0) add_network(SharedWidth(config));
  }
  if (expert_layers < config.layers) add_network(DenseWidth(config));
  print.AddHostMathematics(config);
  return print.fingerprint();
}

absl::Status CompareFingerprints(comm::Communicator& world,
                                 uint64_t fingerprint) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::vector<int64_t> prints,
      GatherIntegers(world, {static_cast<int64_t>(fingerprint)}));
  const std::string differing = RanksThatDiffer(world, prints, 1, 0);
  if (differing.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "all ranks must compute the same bits, but these differ from rank 0 (",
      world.members()[0].host, "): ", differing,
      "; use the same program and libraries on all hosts, or a lower --isa"));
}

}  // namespace switchyard
