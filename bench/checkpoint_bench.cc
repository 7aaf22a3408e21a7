// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How fast a checkpoint is written and read:
//
//   checkpoint_bench write FOLDER MEGABYTES
//   checkpoint_bench read FOLDER MEGABYTES
//
// prints megabytes a second, of the second checkpoint from the snapshot to the
// synced name, and from opening it to the last compared byte in the model's
// memory. What was read is compared with what was written first.
// checkpoint_speed.sh holds both against dd.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/checkpoint/checkpoint_writer.h"

namespace switchyard {
namespace {

constexpr int64_t kTensorElements = int64_t{1} << 24;  // 67 MB

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Tensors of weights, and the step that a checkpoint is of.
class State {
 public:
  explicit State(int64_t megabytes) {
    const int64_t count = megabytes * 1000000 / (4 * kTensorElements) + 1;
    for (int64_t i = 0; i < count; ++i) {
      tensors_.emplace_back(device_, DType::kFloat32, Shape{kTensorElements});
    }
  }

  TensorView Tensor(size_t i) {
    return tensors_[i].View(DType::kFloat32, {kTensorElements});
  }
  static std::string Name(size_t i) { return absl::StrCat("tensor.", i); }
  void Fill() {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      float* values = Tensor(i).data<float>();
      for (int64_t j = 0; j < kTensorElements; ++j) {
        values[j] = Value(static_cast<int64_t>(i), j);
      }
    }
  }
  bool IsFilled() {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const float* values = Tensor(i).data<float>();
      for (int64_t j = 0; j < kTensorElements; ++j) {
        if (values[j] != Value(static_cast<int64_t>(i), j)) return false;
      }
    }
    return true;
  }
  absl::Status Visit(StateVisitor& visitor) {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      SWITCHYARD_RETURN_IF_ERROR(visitor.Visit(
          {Name(i), {kTensorElements}, 0, Tensor(i), /*owned=*/true}));
    }
    return visitor.Visit("step", &step_);
  }

  void SetStep(int64_t step) { step_ = step; }
  size_t size() const { return tensors_.size(); }
  double megabytes() const {
    return static_cast<double>(size()) * 4e-6 * kTensorElements;
  }
  Device& device() { return device_; }

 private:
  static float Value(int64_t tensor, int64_t element) {
    return static_cast<float>((element * 31 + tensor) % 65536);
  }

  CpuDevice device_;
  std::vector<Storage> tensors_;
  int64_t step_ = 1;
};

absl::Status Write(State& state, const std::string& folder) {
  state.Fill();
  const auto world = comm::NewSelfCommunicator();
  const auto stream = state.device().NewStream();
  CheckpointWriterOptions options;
  options.folder = folder;
  SWITCHYARD_ASSIGN_OR_RETURN(
      const auto writer, CheckpointWriter::Create(options, {}, *world, *stream,
                                                  [&](StateVisitor& visitor) {
                                                    return state.Visit(visitor);
                                                  }));
  // The first one of a run also takes the memory for the copy.
  double rates[2] = {}, stalls[2] = {};
  for (int i = 0; i < 2; ++i) {
    state.SetStep(i + 1);
    const double start = Now();
    SWITCHYARD_RETURN_IF_ERROR(writer->Save());
    stalls[i] = Now() - start;
    SWITCHYARD_RETURN_IF_ERROR(writer->Finish());
    rates[i] = state.megabytes() / (Now() - start);
  }
  std::printf(
      "%.0f MB/s, training waited %.3f s (a run's first: %.0f MB/s, %.3f s)\n",
      rates[1], stalls[1], rates[0], stalls[0]);
  return absl::OkStatus();
}

absl::Status Read(State& state, const std::string& folder) {
  for (size_t i = 0; i < state.size(); ++i) {
    // The model's memory is there before it is read into.
    std::fill_n(state.Tensor(i).data<float>(), kTensorElements, 0.0f);
  }
  const double start = Now();
  SWITCHYARD_ASSIGN_OR_RETURN(
      Checkpoint checkpoint,
      Checkpoint::Open(absl::StrCat(folder, "/", CheckpointName(2))));
  for (size_t i = 0; i < state.size(); ++i) {
    SWITCHYARD_RETURN_IF_ERROR(checkpoint.Read(
        State::Name(i), 0, kTensorElements, state.Tensor(i).data<float>()));
  }
  const double seconds = Now() - start;
  if (!state.IsFilled()) return absl::DataLossError("read something else");
  std::printf("%.0f MB/s\n", state.megabytes() / seconds);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "checkpoint_bench write|read FOLDER MEGABYTES\n");
    return 2;
  }
  State state(std::atoll(argv[3]));
  const bool writes = std::string(argv[1]) == "write";
  const absl::Status status =
      writes ? Write(state, argv[2]) : Read(state, argv[2]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "checkpoint_bench: %s\n",
               std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace switchyard

int main(int argc, char** argv) { return switchyard::Main(argc, argv); }
