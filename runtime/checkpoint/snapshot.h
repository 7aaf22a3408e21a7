// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A copy of the state that this rank owns, in host memory: what is written
// while training goes on.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_SNAPSHOT_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_SNAPSHOT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "switchyard/base/file_system.h"
#include "switchyard/base/stream.h"
#include "switchyard/runtime/optim/state_visitor.h"

namespace switchyard {

// Shows a visitor the state (Trainer::VisitState).
using VisitState = std::function<absl::Status(StateVisitor& visitor)>;

class Snapshot {
 public:
  // Replaces what was taken before; its memory is used again.
  absl::Status Take(Stream& stream, const VisitState& visit);

  int64_t byte_count() const { return byte_count_; }
  const std::map<std::string, int64_t>& integers() const { return integers_; }
  const std::map<std::string, double>& numbers() const { return numbers_; }

  // Writes it as a safetensors file whose metadata "slices" says what it holds
  // (manifest.h), and syncs it.
  absl::Status WriteTo(FileSystem& files, const std::string& path) const;

 private:
  struct Slice {
    std::string name;
    DType dtype;
    Shape shape;
    int64_t first, count;
    int64_t offset;  // bytes
  };
  class Copier;

  std::vector<Slice> slices_;
  std::unique_ptr<char[]> bytes_;
  int64_t byte_count_ = 0;
  int64_t capacity_ = 0;
  std::map<std::string, int64_t> integers_;
  std::map<std::string, double> numbers_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_SNAPSHOT_H_
