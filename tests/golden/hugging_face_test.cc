// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Invariant A14: small random models of every family, imported from the folders
// that transformers wrote, compute what transformers computed: logits, loss,
// choices of experts, and the gradient of every parameter, with the pooled
// balance loss and without it, on one rank and on two.
//
// Both sides round in fp32 where the numbers are of the order of 1 to 10: 1e-4
// is some 100 units of the last place of a logit. A gradient is compared by the
// norm of the difference.
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/checkpoint/hugging_face/convert.h"
#include "switchyard/runtime/checkpoint/hugging_face/tensor_names.h"
#include "switchyard/tests/golden/golden_folder.h"
#include "switchyard/tests/support/checkpoint_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

constexpr double kLogit = 1e-4, kLoss = 1e-5, kBalance = 1e-5, kGradient = 1e-3;

using Gradient = std::map<std::string, std::vector<double>>;

double Norm(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

// By the names of the file. Where it ties the head to the embedding, the
// gradient that it has is the sum of both.
Gradient ByTheirNames(const Gradient& ours, const ModelConfig& model,
                      bool tied) {
  Gradient theirs;
  for (const auto& [name, gradient] : ours) {
    theirs[HuggingFaceName(model.family, name)] = gradient;
  }
  if (!tied) return theirs;
  std::vector<double>& embedding = theirs["model.embed_tokens.weight"];
  const std::vector<double>& head = theirs["lm_head.weight"];
  for (size_t i = 0; i < head.size(); ++i) embedding[i] += head[i];
  theirs.erase("lm_head.weight");
  return theirs;
}

class HuggingFaceTest
    : public ::testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  HuggingFaceTest() : golden_(std::get<0>(GetParam())) {}

  void SetUp() override {
    checkpoint_ = folder_.path() / "checkpoint";
    const auto report =
        FromHuggingFace(golden_.path(), checkpoint_, std::nullopt, "test");
    ASSERT_TRUE(report.ok()) << report.status();
    tied_ = report->untied;
    model_ = *ModelOf(checkpoint_);
  }

  CheckpointRun Run(bool balances) const {
    CheckpointRunOptions options;
    options.ranks = std::get<1>(GetParam());
    options.balances = balances;
    auto run = RunCheckpoint(checkpoint_, golden_.MakeBatch(), options);
    EXPECT_TRUE(run.ok()) << run.status();
    return run.ok() ? *std::move(run) : CheckpointRun();
  }

  // Writes down the largest, and compares it.
  void Record(const std::string& what, double value, double limit) {
    RecordProperty(what, absl::StrCat(value));
    EXPECT_LE(value, limit) << what;
  }

  void CompareGradient(const CheckpointRun& run, const std::string& kind) {
    const Gradient actual = ByTheirNames(run.gradient, model_, tied_);
    EXPECT_EQ(actual.size(), golden_.Names(kind).size());
    double worst = 0.0;
    for (const auto& [name, gradient] : actual) {
      ASSERT_TRUE(golden_.Has(kind + name)) << name;
      std::vector<double> difference = golden_.Values(kind + name);
      const double norm = Norm(difference);
      ASSERT_EQ(difference.size(), gradient.size()) << name;
      if (norm == 0.0) {  // an expert that no token chose
        EXPECT_EQ(Norm(gradient), 0.0) << name;
        EXPECT_NE(name.find("experts"), std::string::npos) << name;
        continue;
      }
      for (size_t i = 0; i < gradient.size(); ++i) difference[i] -= gradient[i];
      EXPECT_LE(Norm(difference), kGradient * norm) << kind << name;
      worst = std::max(worst, Norm(difference) / norm);
    }
    Record(kind.substr(0, kind.size() - 1), worst, kGradient);
  }

  const GoldenFolder golden_;
  const TemporaryFolder folder_;
  std::string checkpoint_;
  ModelConfig model_;
  bool tied_ = false;
};

TEST_P(HuggingFaceTest, LogitsLossAndGradientsAreTheirs) {
  const CheckpointRun run = Run(/*balances=*/false);
  const std::vector<double> logits = golden_.Values("logits");
  ASSERT_EQ(run.logits.size(), logits.size());
  double worst = 0.0, largest = 0.0;
  for (size_t i = 0; i < logits.size(); ++i) {
    // NaN must not pass.
    ASSERT_LE(std::abs(run.logits[i] - logits[i]), kLogit) << i;
    worst = std::max(worst, std::abs(run.logits[i] - logits[i]));
    largest = std::max(largest, std::abs(logits[i]));
  }
  EXPECT_GT(largest, 0.5) << "logits that all are near 0 tell nothing";
  Record("logits", worst, kLogit);
  Record("loss", std::abs(run.loss - golden_.Values("loss")[0]), kLoss);
  CompareGradient(run, "gradient/");
}

TEST_P(HuggingFaceTest, ChoicesAndBalanceLossAreTheirs) {
  const CheckpointRun run = Run(/*balances=*/true);
  EXPECT_EQ(run.experts.size(), golden_.Names("experts/").size());
  for (const auto& [layer, experts] : run.experts) {
    EXPECT_EQ(experts, golden_.Integers(absl::StrCat("experts/", layer)));
  }
  if (!golden_.Has("aux_loss")) {
    EXPECT_EQ(ExpertLayerCount(model_), 0);
    return;
  }
  EXPECT_GT(ExpertLayerCount(model_), 0);
  Record("aux_loss", std::abs(run.balance - golden_.Values("aux_loss")[0]),
         kBalance);
  CompareGradient(run, "with_aux/");
}

INSTANTIATE_TEST_SUITE_P(Models, HuggingFaceTest,
                         ::testing::Combine(::testing::ValuesIn(GoldenNames()),
                                            ::testing::Values(1, 2)),
                         [](const auto& info) {
                           return absl::StrCat(std::get<0>(info.param), "_on_",
                                               std::get<1>(info.param));
                         });

}  // namespace
}  // namespace switchyard::testing
