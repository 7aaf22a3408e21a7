// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
//   custom_trainer MODEL TEXT
//
// Trains a model on a file of text. Started alone it is one rank, under mpirun
// or srun as many as were started.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "line_printer.h"
#include "mapped_text.h"
#include "settings.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/mpi/launcher.h"
#include "switchyard/comm/mpi/mpi_environment.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/nn/model_config.h"
#include "switchyard/runtime/parallel/agreement.h"
#include "training_loop.h"

namespace custom_trainer {
namespace {

namespace comm = switchyard::comm;

// What this rank needs before it can talk about training.
struct Inputs {
  switchyard::ModelConfig model;
  std::unique_ptr<MappedText> text;
};

absl::StatusOr<Inputs> ReadInputs(const char* model_path,
                                  const char* text_path) {
  Inputs inputs;
  SWITCHYARD_ASSIGN_OR_RETURN(inputs.model,
                              switchyard::ReadModelConfig(model_path));
  SWITCHYARD_ASSIGN_OR_RETURN(inputs.text, MappedText::Open(text_path));
  // Tokens are bytes.
  if (inputs.model.vocabulary < 256) {
    return absl::InvalidArgumentError(
        "expected a model with a vocab_size of 256");
  }
  return inputs;
}

absl::Status Train(comm::Communicator& world, const char* model_path,
                   const char* text_path) {
  absl::StatusOr<Inputs> inputs = ReadInputs(model_path, text_path);
  SWITCHYARD_RETURN_IF_ERROR(switchyard::AgreeOnStatus(world, inputs.status()));
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<TrainingLoop> loop,
      TrainingLoop::Create(inputs->model, world, *inputs->text));
  for (int64_t step = 0; step < kSteps; ++step) {
    SWITCHYARD_ASSIGN_OR_RETURN(const StepReport report, loop->Step());
    if (world.rank() == 0) PrintStep(report);
  }
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string checksum,
                              loop->WeightsChecksum());
  if (world.rank() == 0) PrintChecksum(checksum);
  return absl::OkStatus();
}

absl::Status Main(const char* model_path, const char* text_path) {
  if (!comm::StartedByLauncher()) {
    return Train(*comm::NewSelfCommunicator(), model_path, text_path);
  }
  SWITCHYARD_ASSIGN_OR_RETURN(const auto environment,
                              comm::MpiEnvironment::Start());
  SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<comm::Communicator> world,
                              comm::NewMpiWorld({}));
  return Train(*world, model_path, text_path);
}

}  // namespace
}  // namespace custom_trainer

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: custom_trainer MODEL TEXT\n");
    return 2;
  }
  const absl::Status status = custom_trainer::Main(argv[1], argv[2]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "custom_trainer: %s\n",
               std::string(status.message()).c_str());
  return 1;
}
