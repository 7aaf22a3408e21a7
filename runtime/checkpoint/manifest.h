// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a checkpoint holds: its logical tensors, which slice of each stands in
// which file, and the state and description of the run. It is the file
// manifest.json of the checkpoint's folder (docs/checkpoints.md).
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_MANIFEST_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_MANIFEST_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/base/dtype.h"
#include "switchyard/base/shape.h"

namespace switchyard {

// A range of a tensor's elements in row-major order, in one file.
struct SavedSlice {
  int file = 0;  // in Manifest::files
  int64_t first = 0;
  int64_t count = 0;                // at least 1
  std::vector<uint64_t> checksums;  // of its blocks (block_checksum.h)
};

struct SavedTensor {
  DType dtype = DType::kFloat32;
  Shape shape;
  // By their first elements; together all elements, each once.
  std::vector<SavedSlice> slices;
};

// The name of a slice in its file: that of the tensor, followed by
// "[first:end]" if it is not all of it.
std::string SliceName(absl::string_view tensor, const Shape& shape,
                      const SavedSlice& slice);

struct SavedFile {
  std::string name;
  int64_t byte_count = 0;
  uint64_t header_checksum = 0;  // of its first bytes, up to the data
};

// Of a run, for whoever goes on with it or reads its weights. Texts are for
// comparison and for people; what is empty is not known.
struct RunRecord {
  std::string version;  // of the program
  std::string model;    // a config.json
  std::map<std::string, std::string> flags;
  int64_t data_tokens = 0;     // of the training text
  uint64_t data_identity = 0;  // DataSource::identity
  std::string instruction_set;
  uint64_t arithmetic = 0;  // parallel/arithmetic.h
  int64_t ranks = 0;
  int64_t expert_parallel = 0;
};

struct Manifest {
  static constexpr char kFileName[] = "manifest.json";
  // Weights alone (converted from elsewhere), or all that a run goes on with.
  bool is_training_state = false;
  std::vector<SavedFile> files;
  std::map<std::string, SavedTensor> tensors;
  std::map<std::string, int64_t> integers;  // of the run's state
  std::map<std::string, double> numbers;    // likewise
  RunRecord run;

  int64_t step() const;
  int64_t tensor_bytes() const;
};

std::string ToJson(const Manifest& manifest);
// An error, one sentence, starts with `source`: no manifest, a damaged one, one
// of a later version, or one whose tensors are incomplete or overlap.
absl::StatusOr<Manifest> ParseManifest(absl::string_view json,
                                       absl::string_view source);

// The slices that one file holds, as text, and back: the metadata "slices" of a
// rank's file, which makes each file complete in itself. The file's number is
// the reader's.
std::string SlicesToJson(const std::map<std::string, SavedTensor>& tensors);
absl::Status AddSlices(absl::string_view json, absl::string_view source,
                       int file, std::map<std::string, SavedTensor>* tensors);

// Sorts the slices; an error names the first tensor that misses elements or has
// some twice.
absl::Status CheckCoverage(absl::string_view source,
                           std::map<std::string, SavedTensor>* tensors);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_MANIFEST_H_
