// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A checkpoint in the test's memory: what a StateVisitor can keep of a trainer
// and give to another, on any layout.
#ifndef SWITCHYARD_TESTS_SUPPORT_KEPT_STATE_H_
#define SWITCHYARD_TESTS_SUPPORT_KEPT_STATE_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "switchyard/base/dtype.h"
#include "switchyard/base/shape.h"
#include "switchyard/runtime/train/trainer.h"

namespace switchyard::testing {

struct KeptTensor {
  DType dtype = DType::kFloat32;
  std::vector<int64_t> extents;
  std::vector<char> bytes;
  std::vector<int> writers;  // of each element: how often it was kept
  friend bool operator==(const KeptTensor&, const KeptTensor&) = default;
};

// Several ranks may use one at the same time.
class KeptState {
 public:
  // Keeps what this rank owns, rank 0 the numbers too.
  absl::Status Keep(Trainer& trainer);
  // Overwrites all that this rank is shown.
  absl::Status Restore(Trainer& trainer) const;

  const std::map<std::string, KeptTensor>& tensors() const { return tensors_; }
  // Bit patterns of the numbers.
  const std::map<std::string, uint64_t>& numbers() const { return numbers_; }

  // Names of tensors and numbers whose bits differ; empty if none does.
  std::string Difference(const KeptState& other) const;

 private:
  class Keeper;
  class Restorer;

  mutable std::mutex mutex_;
  std::map<std::string, KeptTensor> tensors_;
  std::map<std::string, uint64_t> numbers_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_KEPT_STATE_H_
