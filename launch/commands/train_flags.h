// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The command line of `switchyard train`, resolved: the model is read, defaults
// are filled in and contradictions found. Nothing of the data or the ranks is
// looked at yet.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_TRAIN_FLAGS_H_
#define SWITCHYARD_LAUNCH_COMMANDS_TRAIN_FLAGS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "switchyard/launch/device.h"
#include "switchyard/runtime/data/text_data_source.h"
#include "switchyard/runtime/train/options.h"

namespace switchyard::launch {

// --resume of the newest checkpoint of --out.
inline constexpr char kResumeAuto[] = "auto";

struct TrainFlags {
  TrainOptions options;
  std::string out;
  Transport transport = Transport::kAuto;  // of a GPU's memory
  std::vector<std::string> data;
  std::vector<std::string> eval_data;
  double eval_fraction = 0.0;
  DataFormat data_format = DataFormat::kAuto;
  std::string tokenizer = kByteTokenizer;

  int64_t keep = 2;       // checkpoints; 0: all
  std::string resume;     // a checkpoint, or kResumeAuto
  std::string init_from;  // a checkpoint

  bool dry_run = false;
  // Of the job that --dry_run plans for; 0: the one that runs.
  int64_t ranks = 0;
  int64_t ranks_per_node = 0;

  std::string model_path;

  // What --help or --version asks for; if not empty, nothing else is set.
  std::string help;
};

// `arguments` are those after "train". An error is one sentence.
absl::StatusOr<TrainFlags> ParseTrainFlags(
    absl::Span<const std::string> arguments);

// The command line of `switchyard verify-layouts`: what decides the numbers of
// a run, and nothing of what it writes.
//
// The flags.txt of a run is understood as its --flagfile: options.steps is then
// the length of that run's schedule, of which the first `steps` are verified,
// and what says only where or how it ran is passed over.
struct VerifyFlags {
  TrainFlags train;
  int64_t steps = 3;                     // to compare
  int64_t max_ranks = 0;                 // 0: not given
  std::vector<std::string> passed_over;  // names of flags in the file
};
absl::StatusOr<VerifyFlags> ParseVerifyFlags(
    absl::Span<const std::string> arguments);

// flag_file.cc: all flags as a file that --flagfile reads: resolved, so that a
// run is repeated where defaults are others. What is still to be derived is
// left out.
std::string FlagFileOf(const TrainFlags& flags);

// All flags by name, as they are written: what a checkpoint keeps of a run.
std::map<std::string, std::string> FlagValues(const TrainFlags& flags);

// What the data source of these flags is made from.
TextDataOptions DataOptionsOf(const TrainFlags& flags);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_TRAIN_FLAGS_H_
