// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Trains a small model whose router the library does not know, with the
// library's trainer, on 1, 2 and 3 ranks, which are threads of this program. It
// fails unless the model learns and every layout gives the same bits.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/examples/05_custom_router/cosine_router.h"
#include "switchyard/examples/05_custom_router/rotations.h"
#include "switchyard/runtime/train/trainer.h"

namespace switchyard::examples {
namespace {

// Halfway from guessing evenly, ln 32 = 3.47, to knowing all, 0.79.
constexpr double kLearned = 2.1;

TrainOptions Options() {
  TrainOptions options;
  ModelConfig& model = options.model;
  model.hidden_size = 32;
  model.intermediate_size = 32;
  model.layers = 2;
  model.heads = 4;
  model.kv_heads = 2;
  model.head_dim = 8;
  model.experts = 8;
  model.experts_per_token = 2;
  model.vocabulary = Rotations::kVocabulary;
  model.rope_theta = 10000.0;
  model.rms_norm_eps = 1e-5f;
  model.initializer_range = 0.1f;
  model.balance_loss_coef = 0.01;
  options.seq_len = 32;
  options.global_batch = 16;
  options.micro_batch = 4;
  options.steps = 60;
  options.lr = 1e-2;
  options.threads = 1;
  FillDefaults(&options);
  return options;
}

struct Results {
  double last_loss = 0.0;
  uint64_t weights_checksum = 0;
};

absl::StatusOr<Results> TrainOnRank(comm::Communicator& world, bool prints) {
  const TrainOptions options = Options();
  SWITCHYARD_RETURN_IF_ERROR(Validate(options));
  Rotations data(options.seq_len, options.global_batch);
  CpuDevice device(static_cast<int>(options.threads));
  const CosineRouters routers;
  TrainerParts parts;
  parts.data = &data;
  parts.routers = &routers;  // all that is different from any other run
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<Trainer> trainer,
      Trainer::Create(options, world, device, std::move(parts)));
  Results results;
  for (int64_t step = 1; step <= options.steps; ++step) {
    SWITCHYARD_ASSIGN_OR_RETURN(const StepMetrics metrics, trainer->Step());
    results.last_loss = metrics.loss.value_or(std::nan(""));
    if (prints && (step == 1 || step % 10 == 0)) {
      std::printf("step %2d: loss %.4f, balance loss %.4f\n",
                  static_cast<int>(step), results.last_loss,
                  metrics.balance_loss);
    }
  }
  SWITCHYARD_ASSIGN_OR_RETURN(results.weights_checksum,
                              trainer->WeightsChecksum());
  return results;
}

absl::StatusOr<Results> TrainOn(int ranks) {
  Results results;
  SWITCHYARD_RETURN_IF_ERROR(
      comm::RunRanks(ranks, {}, [&](comm::Communicator& world) -> absl::Status {
        const bool first = world.rank() == 0;
        SWITCHYARD_ASSIGN_OR_RETURN(const Results mine,
                                    TrainOnRank(world, first && ranks == 1));
        if (first) results = mine;
        return absl::OkStatus();
      }));
  return results;
}

absl::Status Main() {
  uint64_t expected = 0;
  for (const int ranks : {1, 2, 3}) {
    SWITCHYARD_ASSIGN_OR_RETURN(const Results results, TrainOn(ranks));
    if (ranks == 1) expected = results.weights_checksum;
    std::printf("%d ranks: last loss %.6f, weights %016llx\n", ranks,
                results.last_loss,
                static_cast<unsigned long long>(results.weights_checksum));
    // Written so that NaN is an error too.
    if (!(results.last_loss < kLearned)) {
      return absl::InternalError(
          absl::StrCat("expected a loss below ", kLearned, ", found ",
                       results.last_loss, "; please report it"));
    }
    if (results.weights_checksum != expected) {
      return absl::InternalError(
          "every layout must give the bits of one rank, but this one does not; "
          "please report it");
    }
  }
  std::printf("it learns, and all layouts gave the same bits\n");
  return absl::OkStatus();
}

}  // namespace
}  // namespace switchyard::examples

int main() {
  const absl::Status status = switchyard::examples::Main();
  if (status.ok()) return 0;
  std::fprintf(stderr, "custom_router: %s\n",
               std::string(status.message()).c_str());
  return 1;
}
