// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A checkpoint that is read: any range of any of its tensors, whichever layout
// wrote it. Every byte that is given out has been compared with its checksum.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/runtime/checkpoint/manifest.h"
#include "switchyard/runtime/checkpoint/safetensors.h"

namespace switchyard {

class Checkpoint {
 public:
  // `path` is the folder (FindCheckpoint). Reads the manifest alone; files are
  // opened, and compared with it, where they are read. Errors are one sentence
  // that names the file and what is wrong in it.
  static absl::StatusOr<Checkpoint> Open(const std::string& path);

  const std::string& path() const { return path_; }
  const Manifest& manifest() const { return manifest_; }
  // Null if there is none.
  const SavedTensor* Find(const std::string& name) const;

  // Elements [first, first + count) of tensor `name`, which the manifest has,
  // in its dtype. Not to be called by two threads at once.
  absl::Status Read(const std::string& name, int64_t first, int64_t count,
                    void* elements);

  // Reads everything, and calls `progress` with the bytes done after each
  // slice.
  absl::Status Verify(const std::function<void(int64_t bytes)>& progress);

 private:
  Checkpoint(std::string path, Manifest manifest);

  absl::StatusOr<const SafetensorsFile*> File(int number);
  absl::StatusOr<const StoredTensor*> Place(const std::string& name,
                                            const SavedTensor& tensor,
                                            const SavedSlice& slice);
  // The elements [first, first + count) of a slice.
  absl::Status ReadSlice(const std::string& name, const SavedTensor& tensor,
                         const SavedSlice& slice, int64_t first, int64_t count,
                         char* elements);

  std::string path_;
  Manifest manifest_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::vector<char> block_;  // of which a part was asked for
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_CHECKPOINT_H_
