// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A copy of the state that this rank owns, in host memory: what is written
// while training goes on.
//
//   snapshot.Begin(visit);                      // what there is to copy
//   thread: snapshot.WriteTo(files, path);      // follows the copy
//   snapshot.Copy(stream, visit);               // training waits for this
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_SNAPSHOT_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_SNAPSHOT_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "switchyard/base/file_system.h"
#include "switchyard/base/stream.h"
#include "switchyard/runtime/checkpoint/safetensors.h"
#include "switchyard/runtime/optim/state_visitor.h"

namespace switchyard {

// Shows a visitor the state (Trainer::VisitState).
using VisitState = std::function<absl::Status(StateVisitor& visitor)>;

class Snapshot {
 public:
  // Forgets what was copied before; its memory is used again. ResourceExhausted
  // if there is not enough.
  absl::Status Begin(const VisitState& visit);
  // The same state. After an error WriteTo fails too.
  absl::Status Copy(Stream& stream, const VisitState& visit);

  int64_t byte_count() const { return byte_count_; }
  const std::map<std::string, int64_t>& integers() const { return integers_; }
  const std::map<std::string, double>& numbers() const { return numbers_; }

  // Writes it as a safetensors file whose metadata "slices" says what it holds
  // (manifest.h), and syncs it.
  absl::Status WriteTo(FileSystem& files, const std::string& path);

 private:
  struct Slice {
    std::string name;
    DType dtype;
    Shape shape;
    int64_t first, count;
    int64_t offset;  // bytes
    std::vector<uint64_t> checksums;
    int64_t byte_count() const {
      return count * static_cast<int64_t>(SizeOf(dtype));
    }
  };
  class Lister;
  class Copier;
  struct FreeMemory {
    void operator()(char* bytes) const;
  };

  absl::Status Reserve();
  void Progress(int64_t bytes);
  // Waits until the first `bytes` bytes are copied; false if they never are.
  bool WaitFor(int64_t bytes);
  std::string MakeHeader() const;
  absl::string_view Bytes(int64_t begin, int64_t end) const {
    return {bytes_.get() + begin, static_cast<size_t>(end - begin)};
  }
  // All slices, and their checksums on the way.
  absl::Status AppendSlices(NewFile& file);

  std::vector<Slice> slices_;
  std::unique_ptr<char, FreeMemory> bytes_;
  int64_t byte_count_ = 0;
  int64_t capacity_ = 0;
  std::map<std::string, int64_t> integers_;
  std::map<std::string, double> numbers_;

  std::mutex mutex_;
  std::condition_variable progress_;
  int64_t copied_ = 0;  // bytes
  bool failed_ = false;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_SNAPSHOT_H_
