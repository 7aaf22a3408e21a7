// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Makes a checkpoint of weights alone, tensor by tensor, by one process that
// holds no more than it is given at a time: what conversions write.
//
//   SWITCHYARD_ASSIGN_OR_RETURN(const auto writer,
//                               WeightsWriter::Create(path, tensors));
//   for (...) SWITCHYARD_RETURN_IF_ERROR(writer->Append(elements, count));
//   SWITCHYARD_RETURN_IF_ERROR(writer->Finish(run));
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_WEIGHTS_WRITER_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_WEIGHTS_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/base/file_system.h"
#include "switchyard/runtime/checkpoint/block_checksum.h"
#include "switchyard/runtime/checkpoint/manifest.h"

namespace switchyard {

struct WeightsTensor {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;  // of at least one element
};

class WeightsWriter {
 public:
  // `path` becomes the checkpoint's folder, and must not exist; what is written
  // lies beside it until Finish. Names are distinct.
  static absl::StatusOr<std::unique_ptr<WeightsWriter>> Create(
      const std::string& path, std::vector<WeightsTensor> tensors,
      FileSystem& files = SystemFiles());
  // Removes what was not finished.
  ~WeightsWriter();

  // The next `count` elements of the tensors in their order, row-major, in
  // their dtype. They lie in one tensor.
  absl::Status Append(const void* elements, int64_t count);
  // When all elements were given.
  absl::Status Finish(const RunRecord& run);

 private:
  WeightsWriter(std::string path, std::vector<WeightsTensor> tensors,
                FileSystem& files);
  absl::Status Begin();

  const std::string path_;
  const std::string unfinished_;
  const std::vector<WeightsTensor> tensors_;
  FileSystem& files_;
  std::unique_ptr<NewFile> file_;
  Manifest manifest_;
  size_t tensor_ = 0;                          // that is being written
  int64_t written_ = 0;                        // its elements
  std::unique_ptr<BlockChecksums> checksums_;  // of that tensor
  bool finished_ = false;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_WEIGHTS_WRITER_H_
