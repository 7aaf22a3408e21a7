// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a position's hidden state is a function of. Dropless top-k routing
// leaves attention's promise alone; where capacity drops assignments, other
// positions decide which.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/nn/transformer.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {
namespace {

constexpr int64_t kSequences = 3, kLength = 50;
constexpr int64_t kTokens = kSequences * kLength;

ModelConfig Model(const AttentionConfig& attention) {
  ModelConfig model = SmallRun().model;
  model.head_dim = 16;
  model.attention = attention;
  return model;
}

std::vector<int32_t> Ids(const ModelConfig& model) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < kTokens; ++i) {
    ids.push_back(static_cast<int32_t>((i * i + 3 * i) % model.vocabulary));
  }
  return ids;
}

// Hidden states of all positions after the last layer, row by row.
std::vector<float> HiddenStates(const ModelConfig& model,
                                const std::vector<int32_t>& ids,
                                int64_t capacity) {
  CpuDevice device;
  const auto stream = device.NewStream();
  const auto alone = comm::NewSelfCommunicator();
  const auto grid = Grid::Create(*alone, 1, static_cast<int>(model.experts));
  ParameterStore store(*grid, DType::kFloat32);
  Transformer::Declare(store, model);
  store.Allocate(device);
  store.Initialize(*stream, /*seed=*/3);
  TransformerOptions options;
  options.sequence_length = kLength;
  options.moe.overflow.capacity = capacity;
  const Transformer transformer(*stream, store, *grid, model, options);
  Arena arena(device), decisions(device), host(device);
  const Execution run{*stream, arena, decisions, host, {}, nullptr, 0};
  const TensorView device_ids = run.New(DType::kInt32, {kTokens});
  const TensorView labels = run.New(DType::kInt32, {kTokens});
  const TensorView valid = run.New(DType::kUInt8, {kTokens});
  const std::vector<uint8_t> all_valid(kTokens, 1);
  stream->CopyToDevice(device_ids, ids.data());
  stream->CopyToDevice(labels, ids.data());
  stream->CopyToDevice(valid, all_valid.data());
  const auto saved = transformer.Forward(
      run, {device_ids, labels, valid, /*micro_batch=*/0, /*training=*/true});
  EXPECT_TRUE(saved.ok()) << saved.status();
  std::vector<float> hidden(kTokens * model.hidden_size);
  stream->CopyToHost(hidden.data(), saved->hidden());
  stream->Wait();
  return hidden;
}

// Whether each position's hidden state keeps its bits when token `changed` is
// another.
std::vector<bool> Kept(const ModelConfig& model, int64_t changed,
                       int64_t capacity) {
  std::vector<int32_t> ids = Ids(model);
  const std::vector<float> before = HiddenStates(model, ids, capacity);
  ids[changed] = static_cast<int32_t>((ids[changed] + 11) % model.vocabulary);
  const std::vector<float> after = HiddenStates(model, ids, capacity);
  std::vector<bool> kept;
  for (int64_t t = 0; t < kTokens; ++t) {
    const auto row = before.begin() + t * model.hidden_size;
    kept.push_back(std::equal(row, row + model.hidden_size,
                              after.begin() + t * model.hidden_size));
  }
  return kept;
}

class CausalityTest : public ::testing::TestWithParam<AttentionConfig> {};

// Invariant A13: without a capacity.
TEST_P(CausalityTest, NoFutureTokenAndNoOtherSequenceChangesABit) {
  const ModelConfig model = Model(GetParam());
  const int64_t window = model.attention.window;
  for (const int64_t changed : {kLength, kLength + 20, 2 * kLength - 1}) {
    const std::vector<bool> kept = Kept(model, changed, /*capacity=*/0);
    for (int64_t t = 0; t < kTokens; ++t) {
      if (t == changed) {
        EXPECT_FALSE(kept[t]);
        continue;
      }
      // Each layer's window hands a token's influence on once.
      const int64_t reach = window > 0 ? model.layers * (window - 1) : kTokens;
      const bool may_see =
          t > changed && t < 2 * kLength && t <= changed + reach;
      if (!may_see) {
        EXPECT_TRUE(kept[t]) << "token " << changed << ", position " << t;
      }
    }
    if (changed + 1 < 2 * kLength) {
      EXPECT_FALSE(kept[changed + 1]) << "the next position sees it";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Attention, CausalityTest,
    ::testing::Values(AttentionConfig{},
                      AttentionConfig{QkNorm::kHead, AttentionBias::kAll, 5},
                      AttentionConfig{QkNorm::kFull, AttentionBias::kQkv, 0}));

// Invariant A13, with one: an expert's places go to first choices before second
// ones, and a later token's first choice takes that of an earlier one's second.
TEST(CapacityTest, AFutureTokenMayChangeThePast) {
  const ModelConfig model = Model({});
  int64_t changed_past = 0, changed_others = 0;
  for (const int64_t capacity : {20, 25, 30, 35}) {
    for (int64_t changed = kLength + 20; changed < 2 * kLength; changed += 5) {
      const std::vector<bool> kept = Kept(model, changed, capacity);
      for (int64_t t = 0; t < kLength; ++t) changed_others += !kept[t];
      for (int64_t t = kLength; t < changed; ++t) changed_past += !kept[t];
    }
  }
  EXPECT_GT(changed_past, 0);
  EXPECT_GT(changed_others, 0) << "an earlier sequence's second choices";
}

// Invariant A13, where experts choose: a later token takes an earlier one's
// place.
TEST(ExpertChoiceTest, AFutureTokenChangesThePast) {
  ModelConfig model = Model({});
  model.router.type = RouterType::kExpertChoice;
  model.balance_loss_coef = 0.0;
  int64_t changed_past = 0;
  for (int64_t changed = kLength + 20; changed < 2 * kLength; changed += 5) {
    const std::vector<bool> kept = Kept(model, changed, /*capacity=*/0);
    for (int64_t t = kLength; t < changed; ++t) changed_past += !kept[t];
  }
  EXPECT_GT(changed_past, 0);
}

}  // namespace
}  // namespace switchyard::testing
