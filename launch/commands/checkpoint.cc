// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/checkpoint.h"

#include <chrono>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/number_text.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/block_checksum.h"
#include "switchyard/runtime/checkpoint/checkpoint.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"

namespace switchyard::launch {
namespace {

constexpr char kUsage[] =
    "Usage: switchyard checkpoint list PATH     the checkpoints of a run\n"
    "       switchyard checkpoint show PATH     what one holds\n"
    "       switchyard checkpoint verify PATH   reads it and compares every "
    "checksum\n"
    "\n"
    "PATH is a run's folder, its checkpoints folder, or one checkpoint; show "
    "and\nverify take the newest one of a run.\n";

int64_t FileBytes(const Manifest& manifest) {
  int64_t bytes = 0;
  for (const SavedFile& file : manifest.files) bytes += file.byte_count;
  return bytes;
}

const char* KindOf(const Manifest& manifest) {
  return manifest.is_training_state ? "training state" : "weights";
}

std::string Row(const CheckpointPlace& place, absl::string_view bytes,
                absl::string_view ranks, absl::string_view rest) {
  return absl::StrFormat("%10d  %10s  %6s  %s\n", place.step, bytes, ranks,
                         rest);
}

absl::StatusOr<std::string> Show(const std::string& path);

absl::StatusOr<std::string> List(const std::string& path) {
  const std::string inner = absl::StrCat(path, "/", kCheckpointsFolder);
  const bool is_run = std::filesystem::is_directory(inner);
  SWITCHYARD_RETURN_IF_ERROR(FindCheckpoint(path).status());
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<CheckpointPlace> places,
                              ListCheckpoints(is_run ? inner : path));
  if (places.empty()) return Show(path);
  std::string text =
      absl::StrFormat("%10s  %10s  %6s  %s\n", "step", "size", "ranks", "path");
  for (const CheckpointPlace& place : places) {
    const absl::StatusOr<Checkpoint> checkpoint = Checkpoint::Open(place.path);
    if (!checkpoint.ok()) {
      absl::StrAppend(&text, Row(place, "damaged", "",
                                 std::string(checkpoint.status().message())));
      continue;
    }
    const Manifest& manifest = checkpoint->manifest();
    absl::StrAppend(&text, Row(place, ByteText(FileBytes(manifest)),
                               absl::StrCat(manifest.run.ranks), place.path));
  }
  return text;
}

absl::StatusOr<std::string> Show(const std::string& path) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string found, FindCheckpoint(path));
  SWITCHYARD_ASSIGN_OR_RETURN(const Checkpoint checkpoint,
                              Checkpoint::Open(found));
  const Manifest& manifest = checkpoint.manifest();
  const RunRecord& run = manifest.run;
  std::string text = absl::StrCat(
      "checkpoint       ", found, "\nholds            ", KindOf(manifest),
      ", step ", manifest.step(), "\ntensors          ",
      GroupedText(static_cast<int64_t>(manifest.tensors.size())), ", ",
      ByteText(manifest.tensor_bytes()), "\nfiles            ",
      manifest.files.size(), ", ", ByteText(FileBytes(manifest)),
      "\nwritten by       switchyard ", run.version, " on ", run.ranks,
      run.ranks == 1 ? " rank" : " ranks", ", expert-parallel width ",
      run.expert_parallel, ", ", run.instruction_set, "\n");
  if (run.data_tokens > 0) {
    absl::StrAppend(&text, "trained on       ", GroupedText(run.data_tokens),
                    " tokens, identity ", ChecksumText(run.data_identity),
                    "\n");
  }
  absl::StrAppend(&text, "\ntensors\n");
  for (const auto& [name, tensor] : manifest.tensors) {
    absl::StrAppend(
        &text,
        absl::StrFormat("  %-5s %-16s %4d %-7s %s\n", NameOf(tensor.dtype),
                        tensor.shape.ToString(), tensor.slices.size(),
                        tensor.slices.size() == 1 ? "slice" : "slices",
                        Printable(name)));
  }
  absl::StrAppend(&text, "\nflags\n");
  for (const auto& [name, value] : run.flags) {
    if (!value.empty()) absl::StrAppend(&text, "  --", name, "=", value, "\n");
  }
  absl::StrAppend(&text, "\nmodel\n", run.model, "\n");
  return text;
}

absl::StatusOr<std::string> Verify(const std::string& path) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string found, FindCheckpoint(path));
  SWITCHYARD_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(found));
  const auto start = std::chrono::steady_clock::now();
  SWITCHYARD_RETURN_IF_ERROR(checkpoint.Verify(nullptr));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  const Manifest& manifest = checkpoint.manifest();
  return absl::StrFormat(
      "%s: whole, %d tensors, %s in %d files, read in %.2f s\n", found,
      manifest.tensors.size(), ByteText(FileBytes(manifest)),
      manifest.files.size(), seconds);
}

}  // namespace

absl::StatusOr<std::string> CheckpointPage(
    absl::Span<const std::string> arguments) {
  const std::string action = arguments.empty() ? "" : arguments[0];
  if (action == "--help" || action == "-h") return std::string(kUsage);
  if (action != "list" && action != "show" && action != "verify") {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected 'list', 'show' or 'verify' after 'checkpoint', found ",
        action.empty() ? "nothing" : absl::StrCat("'", Printable(action), "'"),
        "; see switchyard checkpoint --help"));
  }
  if (arguments.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected one path after 'checkpoint ", action, "', found ",
        arguments.size() - 1, "; give a run's folder or a checkpoint"));
  }
  if (action == "list") return List(arguments[1]);
  return action == "show" ? Show(arguments[1]) : Verify(arguments[1]);
}

}  // namespace switchyard::launch
