// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a run says of a checkpoint that is complete.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_REPORT_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_REPORT_H_

#include <cstdint>
#include <string>

namespace switchyard {

struct CheckpointReport {
  int64_t step = 0;
  std::string path;
  int64_t byte_count = 0;      // of all files
  double stall_seconds = 0.0;  // training waited on rank 0
  double seconds = 0.0;        // from the snapshot to the name
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_REPORT_H_
