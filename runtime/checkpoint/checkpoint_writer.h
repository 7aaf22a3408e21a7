// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes checkpoints while training goes on. Save takes a snapshot, and each
// rank's thread writes it into a file of its own, in a folder with an
// unfinished name. When all have synced theirs, rank 0 adds the manifest, syncs
// and gives the folder its name: a checkpoint is complete or not there.
//
//   writer.Save();     // when one is due
//   writer.Poll();     // after every step
//   writer.Finish();   // at the end
//
// These are collective calls of the world, and every rank gets the same status,
// unless the communicator has failed. After an error nothing more is written;
// the checkpoints that are complete stay as they are.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_WRITER_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_WRITER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/base/file_system.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/checkpoint/checkpoint_report.h"
#include "switchyard/runtime/checkpoint/manifest.h"
#include "switchyard/runtime/checkpoint/snapshot.h"

namespace switchyard {

struct CheckpointWriterOptions {
  std::string folder;  // of checkpoints; made if need be
  int64_t keep = 0;    // as many of the newest ones; 0: all
  // Called on rank 0 when one is complete, from Save, Poll or Finish.
  std::function<absl::Status(const CheckpointReport& report)> on_complete;
};

class CheckpointWriter {
 public:
  // Removes what earlier runs left unfinished in the folder, and tests that all
  // ranks see it: an error names the hosts that do not. A collective call. All
  // but `options` and `run` must outlive the writer.
  static absl::StatusOr<std::unique_ptr<CheckpointWriter>> Create(
      CheckpointWriterOptions options, RunRecord run, comm::Communicator& world,
      Stream& stream, VisitState visit, FileSystem& files = SystemFiles());
  // Waits for this rank's thread.
  ~CheckpointWriter();

  // Begins a checkpoint of the present state, after the one before is complete.
  absl::Status Save();
  // Completes the one that is under way if all ranks have written theirs. Waits
  // for no disk.
  absl::Status Poll();
  // The same, and waits.
  absl::Status Finish();

 private:
  enum class Phase { kIdle, kWriting, kCompleting };

  CheckpointWriter(CheckpointWriterOptions options, RunRecord run,
                   comm::Communicator& world, Stream& stream, VisitState visit,
                   FileSystem& files);

  absl::Status Prepare();
  absl::Status CheckShared();
  // Runs `work` in the thread; its status is work_status_ after JoinWork.
  void StartWork(std::function<absl::Status()> work);
  void JoinWork();
  absl::Status WriteOwn();
  absl::Status Complete();
  absl::StatusOr<Manifest> MakeManifest() const;
  absl::Status Publish();
  absl::Status RemoveOld();
  absl::Status Report();
  std::string PathOf(const std::string& name) const;

  const CheckpointWriterOptions options_;
  const RunRecord run_;
  comm::Communicator& world_;
  Stream& stream_;
  const VisitState visit_;
  FileSystem& files_;

  Storage counts_storage_;
  TensorView counts_;  // int64 [2]: ranks at work, ranks that failed
  Phase phase_ = Phase::kIdle;
  Snapshot snapshot_;
  CheckpointReport report_;
  double start_ = 0.0;
  std::thread work_;
  std::atomic<bool> at_work_{false};
  absl::Status work_status_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_WRITER_H_
