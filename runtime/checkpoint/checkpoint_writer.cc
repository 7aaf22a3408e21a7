// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/checkpoint_writer.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/block_checksum.h"
#include "switchyard/runtime/checkpoint/checkpoint_folder.h"
#include "switchyard/runtime/checkpoint/safetensors.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Network file systems show a new name a moment later.
bool Appears(const std::string& path) {
  constexpr int kTries = 30;
  for (int i = 0; i < kTries; ++i) {
    if (Exists(path)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return Exists(path);
}

}  // namespace

absl::StatusOr<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Create(
    CheckpointWriterOptions options, RunRecord run, comm::Communicator& world,
    Stream& stream, VisitState visit, FileSystem& files) {
  std::unique_ptr<CheckpointWriter> writer(
      new CheckpointWriter(std::move(options), std::move(run), world, stream,
                           std::move(visit), files));
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(
      world, world.rank() == 0 ? writer->Prepare() : absl::OkStatus()));
  SWITCHYARD_RETURN_IF_ERROR(writer->CheckShared());
  return writer;
}

CheckpointWriter::CheckpointWriter(CheckpointWriterOptions options,
                                   RunRecord run, comm::Communicator& world,
                                   Stream& stream, VisitState visit,
                                   FileSystem& files)
    : options_(std::move(options)),
      run_(std::move(run)),
      world_(world),
      stream_(stream),
      visit_(std::move(visit)),
      files_(files),
      counts_storage_(stream.device(), DType::kInt64, {2}),
      counts_(counts_storage_.View(DType::kInt64, {2})) {}

CheckpointWriter::~CheckpointWriter() { JoinWork(); }

std::string CheckpointWriter::PathOf(const std::string& name) const {
  return absl::StrCat(options_.folder, "/", name);
}

absl::Status CheckpointWriter::Prepare() {
  SWITCHYARD_RETURN_IF_ERROR(files_.MakeFolder(options_.folder));
  for (const std::string& path : ListUnfinished(options_.folder)) {
    SWITCHYARD_RETURN_IF_ERROR(files_.RemoveFolder(path));
  }
  return absl::OkStatus();
}

// Rank 0 makes a folder with a name that no other run has used.
absl::Status CheckpointWriter::CheckShared() {
  const int64_t sign =
      static_cast<int64_t>(getpid()) << 32 ^
      std::chrono::system_clock::now().time_since_epoch().count();
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> signs,
                              GatherIntegers(world_, {&sign, 1}));
  const std::string path =
      PathOf(absl::StrCat(UnfinishedName(0), ".", absl::Hex(signs[0])));
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(
      world_, world_.rank() == 0 ? files_.MakeFolder(path) : absl::OkStatus()));
  const int64_t seen = Appears(path) ? 1 : 0;
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                              GatherIntegers(world_, {&seen, 1}));
  const std::string blind = RanksThatDiffer(world_, all, 1, 0);
  SWITCHYARD_RETURN_IF_ERROR(
      AgreeOnStatus(world_, world_.rank() == 0 ? files_.RemoveFolder(path)
                                               : absl::OkStatus()));
  if (blind.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected ", options_.folder,
      " on a disk that all hosts share, since every rank writes its part of a "
      "checkpoint there, found that rank ",
      blind,
      " does not see what rank 0 makes in it; give --out a path on a shared "
      "disk"));
}

void CheckpointWriter::StartWork(std::function<absl::Status()> work) {
  JoinWork();
  at_work_ = true;
  try {
    work_ = std::thread([this, work = std::move(work)] {
      work_status_ = work();
      at_work_ = false;
    });
  } catch (const std::system_error& error) {
    // All ranks learn of it at the next Poll, as of any failure of the work.
    work_status_ = absl::ResourceExhaustedError(absl::StrCat(
        "expected a thread to write a checkpoint with, found that the system "
        "gives none (",
        error.code().message(),
        "); raise the limits of processes and memory (ulimit -u, -v), or leave "
        "--checkpoint_every out"));
    at_work_ = false;
  }
}

void CheckpointWriter::JoinWork() {
  if (work_.joinable()) work_.join();
}

absl::Status CheckpointWriter::Save() {
  const double start = Now();
  SWITCHYARD_RETURN_IF_ERROR(Finish());
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world_, snapshot_.Begin(visit_)));
  report_ = CheckpointReport();
  report_.step = snapshot_.integers().at("step");
  report_.path = PathOf(CheckpointName(report_.step));
  start_ = start;
  phase_ = Phase::kWriting;
  StartWork([this] { return WriteOwn(); });
  // If that fails here, the writer's failure is everybody's at the next call.
  const absl::Status copied = snapshot_.Copy(stream_, visit_);
  report_.stall_seconds = Now() - start;
  return copied;
}

absl::Status CheckpointWriter::WriteOwn() {
  const std::string folder = PathOf(UnfinishedName(report_.step));
  SWITCHYARD_RETURN_IF_ERROR(files_.MakeFolder(folder));
  return snapshot_.WriteTo(
      files_, absl::StrCat(folder, "/", RankFileName(world_.rank())));
}

absl::Status CheckpointWriter::Finish() {
  // Ranks ask each other again and again: a disk may take longer than a
  // collective may.
  constexpr auto kPause = std::chrono::milliseconds(5);
  while (phase_ != Phase::kIdle) {
    const Phase before = phase_;
    SWITCHYARD_RETURN_IF_ERROR(Poll());
    if (phase_ == before) std::this_thread::sleep_for(kPause);
  }
  return absl::OkStatus();
}

// All ranks are in the same phase: what moves it on is the sum of what they
// told.
absl::Status CheckpointWriter::Poll() {
  if (phase_ == Phase::kIdle) return absl::OkStatus();
  const bool takes_part = phase_ == Phase::kWriting || world_.rank() == 0;
  const bool at_work = takes_part && at_work_;
  const bool failed = takes_part && !at_work && !work_status_.ok();
  int64_t counts[2] = {at_work ? 1 : 0, failed ? 1 : 0};
  stream_.CopyToDevice(counts_, counts);
  SWITCHYARD_RETURN_IF_ERROR(
      world_
          .AllReduce(stream_, counts_, comm::ReduceOp::kSum, {-1, "checkpoint"})
          .Wait());
  stream_.CopyToHost(counts, counts_);
  stream_.Wait();
  if (counts[0] > 0) return absl::OkStatus();
  JoinWork();
  if (counts[1] > 0) {
    phase_ = Phase::kIdle;
    // Nobody writes any more: what is there takes room for nothing.
    if (world_.rank() == 0) {
      files_.RemoveFolder(PathOf(UnfinishedName(report_.step))).IgnoreError();
    }
    return AgreeOnStatus(world_, failed ? work_status_ : absl::OkStatus());
  }
  if (phase_ == Phase::kWriting) {
    phase_ = Phase::kCompleting;
    if (world_.rank() == 0) StartWork([this] { return Complete(); });
    return absl::OkStatus();
  }
  phase_ = Phase::kIdle;
  return AgreeOnStatus(world_,
                       world_.rank() == 0 ? Report() : absl::OkStatus());
}

absl::Status CheckpointWriter::Report() {
  report_.seconds = Now() - start_;
  if (!options_.on_complete) return absl::OkStatus();
  return options_.on_complete(report_);
}

absl::StatusOr<Manifest> CheckpointWriter::MakeManifest() const {
  Manifest manifest;
  manifest.is_training_state = true;
  manifest.run = run_;
  manifest.integers = snapshot_.integers();
  manifest.numbers = snapshot_.numbers();
  for (int rank = 0; rank < world_.size(); ++rank) {
    const std::string name = RankFileName(rank);
    SWITCHYARD_ASSIGN_OR_RETURN(
        const SafetensorsFile file,
        SafetensorsFile::Open(
            absl::StrCat(PathOf(UnfinishedName(report_.step)), "/", name)));
    SWITCHYARD_ASSIGN_OR_RETURN(const std::string header, file.ReadHeader());
    manifest.files.push_back({name, file.byte_count(), ChecksumOf(header)});
    const auto slices = file.metadata().find("slices");
    SWITCHYARD_CHECK(slices != file.metadata().end()) << file.path();
    SWITCHYARD_RETURN_IF_ERROR(
        AddSlices(slices->second, file.path(), rank, &manifest.tensors));
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckCoverage(report_.path, &manifest.tensors));
  return manifest;
}

absl::Status CheckpointWriter::Complete() {
  SWITCHYARD_ASSIGN_OR_RETURN(const Manifest manifest, MakeManifest());
  for (const SavedFile& file : manifest.files) {
    report_.byte_count += file.byte_count;
  }
  const std::string folder = PathOf(UnfinishedName(report_.step));
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<NewFile> file,
      files_.Create(absl::StrCat(folder, "/", Manifest::kFileName)));
  SWITCHYARD_RETURN_IF_ERROR(file->Append(ToJson(manifest)));
  SWITCHYARD_RETURN_IF_ERROR(file->Sync());
  SWITCHYARD_RETURN_IF_ERROR(files_.SyncFolder(folder));
  SWITCHYARD_RETURN_IF_ERROR(Publish());
  return RemoveOld();
}

absl::Status CheckpointWriter::Publish() {
  // Of a run that came this far before it was resumed from an earlier one.
  if (Exists(report_.path)) {
    SWITCHYARD_RETURN_IF_ERROR(DiscardCheckpoint(files_, report_.path));
  }
  SWITCHYARD_RETURN_IF_ERROR(
      files_.Rename(PathOf(UnfinishedName(report_.step)), report_.path));
  return files_.SyncFolder(options_.folder);
}

absl::Status CheckpointWriter::RemoveOld() {
  if (options_.keep == 0) return absl::OkStatus();
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<CheckpointPlace> places,
                              ListCheckpoints(options_.folder));
  // Those of later steps belong to a run that was resumed from an earlier one:
  // only what this step leaves behind is old.
  int64_t kept = 0;
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    if (place->step > report_.step || ++kept <= options_.keep) continue;
    SWITCHYARD_RETURN_IF_ERROR(DiscardCheckpoint(files_, place->path));
  }
  return absl::OkStatus();
}

}  // namespace switchyard
