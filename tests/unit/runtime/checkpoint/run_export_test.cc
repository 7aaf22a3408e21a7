// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Which weights of a run an export has.
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/checkpoint/checkpoint_writer.h"
#include "switchyard/runtime/checkpoint/hugging_face/convert.h"
#include "switchyard/runtime/checkpoint/hugging_face/tensor_folder.h"
#include "switchyard/tests/support/temporary_folder.h"
#include "switchyard/tests/support/trainer_run.h"

namespace switchyard::testing {
namespace {

TrainOptions Options() {
  TrainOptions options = SmallRun();
  options.dtype = DType::kBFloat16;
  return options;
}

// A step of a run in bf16 on two ranks.
absl::Status SaveRun(const std::string& folder, const ModelConfig& model) {
  TrainOptions options = Options();
  options.model = model;
  return WithTrainers(
      {2, 2, 1}, options, [&](Trainer& trainer) -> absl::Status {
        SWITCHYARD_RETURN_IF_ERROR(trainer.Step().status());
        switchyard::RunRecord run;
        run.model = ToJson(model);
        CheckpointWriterOptions writing;
        writing.folder = folder;
        SWITCHYARD_ASSIGN_OR_RETURN(
            const auto writer,
            CheckpointWriter::Create(writing, run, trainer.grid().world(),
                                     trainer.runner().stream(),
                                     [&](StateVisitor& visitor) {
                                       return trainer.VisitState(visitor);
                                     }));
        SWITCHYARD_RETURN_IF_ERROR(writer->Save());
        return writer->Finish();
      });
}

std::string BytesIn(const TensorFolder& folder, const std::string& name) {
  const TensorFolder::Place place = folder.tensors().at(name);
  std::string bytes(static_cast<size_t>(place.tensor->byte_count()), '\0');
  EXPECT_TRUE(
      place.file
          ->Read(*place.tensor, 0, place.tensor->element_count(), bytes.data())
          .ok());
  return bytes;
}

std::string BytesOf(Checkpoint& checkpoint, const std::string& name) {
  const SavedTensor& tensor = *checkpoint.Find(name);
  const int64_t count = tensor.shape.element_count();
  std::string bytes(static_cast<size_t>(count) * SizeOf(tensor.dtype), '\0');
  EXPECT_TRUE(checkpoint.Read(name, 0, count, bytes.data()).ok());
  return bytes;
}

TEST(RunExportTest, HasTheRunsWeightsOrItsMasterWeights) {
  const TemporaryFolder folder;
  const std::string run = folder.path() / "run";
  ASSERT_TRUE(SaveRun(run, Options().model).ok());
  const auto export_as = [&](const char* name, std::optional<DType> dtype) {
    const auto report =
        ToHuggingFace(run, folder.path() / name, dtype, int64_t{1} << 30);
    EXPECT_TRUE(report.ok()) << report.status();
    auto opened = TensorFolder::Open(folder.path() / name);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  };
  const TensorFolder own = export_as("own", std::nullopt);
  const TensorFolder wide = export_as("wide", DType::kFloat32);
  const TensorFolder narrow = export_as("narrow", DType::kBFloat16);
  auto checkpoint = Checkpoint::Open(run + "/step-00000001");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const std::string expert =
      "model.layers.1.block_sparse_moe.experts.5.w2.weight";
  const std::string router = "model.layers.1.block_sparse_moe.gate.weight";
  EXPECT_EQ(BytesIn(own, expert), BytesOf(*checkpoint, expert));
  EXPECT_EQ(BytesIn(narrow, expert), BytesOf(*checkpoint, expert));
  EXPECT_EQ(BytesIn(wide, expert), BytesOf(*checkpoint, "master/" + expert));
  EXPECT_EQ(own.tensors().at(expert).tensor->type, StoredType::kBF16);
  EXPECT_EQ(own.tensors().at(router).tensor->type, StoredType::kF32);
  EXPECT_EQ(narrow.tensors().at(router).tensor->type, StoredType::kBF16);
  EXPECT_EQ(BytesIn(own, router), BytesOf(*checkpoint, router));
}

TEST(RunExportTest, WhatTheClassDoesNotComputeIsRefusedByName) {
  const struct {
    const char* part;
    void (*edit)(ModelConfig& model);
  } cases[] = {
      {"\"qk_norm\"",
       [](ModelConfig& m) { m.attention.qk_norm = QkNorm::kHead; }},
      {"\"qkv_bias\"",
       [](ModelConfig& m) { m.attention.bias = AttentionBias::kQkv; }},
      {"\"attention_bias\"",
       [](ModelConfig& m) { m.attention.bias = AttentionBias::kAll; }},
      {"\"router_bias\"",
       [](ModelConfig& m) { m.router.selection_bias = true; }},
      {"\"scoring_func\"",
       [](ModelConfig& m) {
         m.router.scoring = kernels::RouterScoring::kSigmoid;
       }},
      {"\"norm_topk_prob\"",
       [](ModelConfig& m) { m.router.renormalize = false; }},
      {"\"routed_scaling_factor\"",
       [](ModelConfig& m) { m.router.scaling = 2.5; }},
      {"mlp_only_layers",
       [](ModelConfig& m) { m.feed_forward.mlp_only_layers = {0}; }},
      {"n_shared_experts",
       [](ModelConfig& m) { m.feed_forward.n_shared_experts = 1; }},
      {"\"is_gated_act\"",
       [](ModelConfig& m) { m.feed_forward.activation.gated = false; }},
  };
  for (const auto& one : cases) {
    ModelConfig model = Options().model;
    one.edit(model);
    const std::string message(CheckHuggingFaceClass(model, "here").message());
    EXPECT_TRUE(absl::StrContains(message, one.part)) << message;
    EXPECT_TRUE(absl::StrContains(message, "MixtralForCausalLM")) << message;
  }
  EXPECT_TRUE(CheckHuggingFaceClass(Options().model, "here").ok());
}

}  // namespace
}  // namespace switchyard::testing
