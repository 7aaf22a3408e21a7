// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a checkpoint will be made of: complete, each element from one rank, and
// enough to go on with on another layout.
#include "switchyard/runtime/optim/state_visitor.h"

#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/status.h"
#include "switchyard/tests/support/kept_state.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/trainer_run.h"

namespace switchyard::testing {
namespace {

// How often each element of each tensor was shown to one rank.
class Counter : public StateVisitor {
 public:
  absl::Status Visit(const StateSlice& slice) override {
    std::vector<int>& counts = counts_[slice.name];
    counts.resize(slice.shape.element_count());
    EXPECT_GT(slice.values.element_count(), 0) << slice.name;
    for (int64_t i = 0; i < slice.values.element_count(); ++i) {
      ++counts.at(slice.first_element + i);
    }
    return absl::OkStatus();
  }
  absl::Status Visit(const char*, int64_t*) override {
    return absl::OkStatus();
  }
  absl::Status Visit(const char*, double*) override { return absl::OkStatus(); }

  std::map<std::string, std::vector<int>>& counts() { return counts_; }

 private:
  std::map<std::string, std::vector<int>> counts_;
};

// All weights that this rank holds, once each, and no element of a moment
// twice.
void ExpectShownOnce(Trainer& trainer) {
  Counter counter;
  EXPECT_TRUE(trainer.VisitState(counter).ok());
  for (const auto& parameter : trainer.runner().store().parameters()) {
    const auto found = counter.counts().find(parameter->name);
    ASSERT_EQ(found != counter.counts().end(), parameter->owned)
        << parameter->name;
    if (!parameter->owned) continue;
    EXPECT_EQ(found->second, std::vector<int>(parameter->element_count(), 1))
        << parameter->name;
  }
  for (const auto& state : trainer.runner().store().states()) {
    EXPECT_EQ(counter.counts()[state->name],
              std::vector<int>(state->shape.element_count(), 1))
        << state->name;
  }
  for (const auto& [name, counts] : counter.counts()) {
    for (int count : counts) ASSERT_LE(count, 1) << name;
  }
}

class StateVisitorTest : public ::testing::TestWithParam<DType> {};

TEST_P(StateVisitorTest, EveryElementHasOneOwner) {
  TrainOptions options = WideRun();
  options.dtype = GetParam();
  options.model.router.selection_bias = true;
  for (const Layout& layout : {Layout{1, 1, 1},
                               {2, 1, 1},
                               {2, 2, 1},
                               {3, 1, 1},
                               {4, 1, 1},
                               {4, 2, 1},
                               {4, 4, 1}}) {
    KeptState state;
    std::map<std::string, std::vector<int64_t>> expected;  // extents by name
    const absl::Status status =
        WithTrainers(layout, options, [&](Trainer& trainer) -> absl::Status {
          ExpectShownOnce(trainer);
          if (trainer.grid().world().rank() == 0) {
            for (const auto& state : trainer.runner().store().states()) {
              expected[state->name] = {options.model.experts};
            }
            for (const auto& p : trainer.runner().store().parameters()) {
              std::vector<int64_t> extents;
              for (int i = 0; i < p->shape.rank(); ++i) {
                extents.push_back(p->shape[i]);
              }
              expected[p->name] = extents;
              expected["exp_avg/" + p->name] = extents;
              expected["exp_avg_sq/" + p->name] = extents;
              const ParameterGroup& group =
                  trainer.runner().store().groups()[p->group];
              if (group.dtype != DType::kFloat32) {
                expected["master/" + p->name] = extents;
              }
            }
          }
          return state.Keep(trainer);
        });
    ASSERT_TRUE(status.ok()) << layout.ToString() << ": " << status;
    EXPECT_EQ(state.tensors().size(), expected.size()) << layout.ToString();
    for (const auto& [name, extents] : expected) {
      const auto found = state.tensors().find(name);
      ASSERT_NE(found, state.tensors().end()) << name;
      EXPECT_EQ(found->second.extents, extents) << name;
      EXPECT_EQ(found->second.writers,
                std::vector<int>(found->second.writers.size(), 1))
          << name << ", " << layout.ToString();
    }
    for (const char* name : {"step", "updates", "beta1_power", "beta2_power"}) {
      EXPECT_EQ(state.numbers().count(name), 1u) << name;
    }
  }
}

// Gives each layer another expert to prefer, so that the bias matters.
void SetSelectionBiases(Trainer& trainer) {
  Stream& stream = trainer.runner().stream();
  const Transformer& model = trainer.runner().model();
  for (int layer = 0; layer < model.layers(); ++layer) {
    const TensorView bias = model.selection_bias(layer);
    std::vector<float> values(bias.element_count(), 0.0f);
    values[layer + 3] = 0.25f;
    stream.CopyToDevice(bias, values.data());
    stream.Wait();
  }
}

TEST_P(StateVisitorTest, AnotherLayoutGoesOnWithTheSameBits) {
  TrainOptions options = SmallRun();
  options.dtype = GetParam();
  options.model.router.selection_bias = true;
  constexpr int kBefore = 3, kAfter = 2;
  KeptState half_way, expected;
  std::vector<double> expected_losses, expected_norms;
  absl::Status status =
      WithTrainers({1, 1, 1}, options, [&](Trainer& trainer) -> absl::Status {
        SetSelectionBiases(trainer);
        for (int step = 0; step < kBefore + kAfter; ++step) {
          if (step == kBefore) {
            SWITCHYARD_RETURN_IF_ERROR(half_way.Keep(trainer));
          }
          SWITCHYARD_ASSIGN_OR_RETURN(const StepMetrics metrics,
                                      trainer.Step());
          expected_losses.push_back(*metrics.loss);
          expected_norms.push_back(metrics.grad_norm);
        }
        return expected.Keep(trainer);
      });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_NE(expected.Difference(half_way), "");
  EXPECT_EQ(half_way.tensors().count(
                "model.layers.1.block_sparse_moe.gate.e_score_correction_bias"),
            1u);
  for (const Layout& layout : {Layout{1, 1, 1}, {3, 1, 1}, {4, 2, 1}}) {
    TrainOptions other = options;
    other.seed += 1;  // nothing may be right by chance
    KeptState actual;
    status = WithTrainers(layout, other, [&](Trainer& trainer) -> absl::Status {
      SWITCHYARD_RETURN_IF_ERROR(half_way.Restore(trainer));
      EXPECT_EQ(trainer.steps_done(), kBefore);
      EXPECT_EQ(trainer.optimizer().updates(), kBefore);
      for (int step = kBefore; step < kBefore + kAfter; ++step) {
        SWITCHYARD_ASSIGN_OR_RETURN(const StepMetrics metrics, trainer.Step());
        EXPECT_EQ(metrics.step, step + 1);
        EXPECT_EQ(*metrics.loss, expected_losses[step]);
        EXPECT_EQ(metrics.grad_norm, expected_norms[step]);
      }
      return actual.Keep(trainer);
    });
    ASSERT_TRUE(status.ok()) << layout.ToString() << ": " << status;
    EXPECT_EQ(actual.Difference(expected), "") << layout.ToString();
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, StateVisitorTest,
                         ::testing::Values(DType::kFloat32, DType::kBFloat16),
                         [](const auto& info) {
                           return std::string(NameOf(info.param));
                         });

// A visitor whose disk is full.
class FullDisk : public StateVisitor {
 public:
  absl::Status Visit(const StateSlice&) override {
    ++slices;
    return absl::ResourceExhaustedError("full");
  }
  absl::Status Visit(const char*, int64_t*) override {
    return absl::OkStatus();
  }
  absl::Status Visit(const char*, double*) override { return absl::OkStatus(); }
  int slices = 0;
};

TEST(StateVisitorTest, AnErrorEndsTheVisit) {
  const absl::Status status =
      WithTrainers({1, 1, 1}, SmallRun(), [](Trainer& trainer) {
        FullDisk disk;
        EXPECT_TRUE(absl::IsResourceExhausted(trainer.VisitState(disk)));
        EXPECT_EQ(disk.slices, 1);
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace switchyard::testing
