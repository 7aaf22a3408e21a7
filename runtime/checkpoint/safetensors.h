// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Files of tensors in the safetensors format: eight bytes with the header's
// length, little-endian; the header, a JSON object of every tensor's dtype,
// shape and place; the tensors' bytes, row-major, little-endian, without gaps.
//
// A file from outside is hostile until it is checked: Open believes nothing,
// and what it returns lies inside the file, overlaps nothing and leaves no
// byte out.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_SAFETENSORS_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/base/dtype.h"
#include "switchyard/base/random_access_file.h"
#include "switchyard/base/shape.h"
#include "switchyard/runtime/checkpoint/stored_type.h"

namespace switchyard {

struct StoredTensor {
  std::string name;
  StoredType type = StoredType::kF32;
  std::vector<int64_t> shape;
  int64_t offset = 0;  // of its first byte, from the file's beginning

  int64_t element_count() const;  // 1 of a scalar
  int64_t byte_count() const { return element_count() * SizeOf(type); }
  std::string ShapeText() const;  // "[512, 256]"
};

// A whole tensor of ours, at no place yet.
StoredTensor WholeTensor(std::string name, DType dtype, const Shape& shape);

class SafetensorsFile {
 public:
  // The format's own limit on headers.
  static constexpr int64_t kMaxHeaderBytes = 100'000'000;

  // An error, one sentence, names the file and the tensor.
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  int64_t byte_count() const { return file_.size(); }
  // In the order of their bytes.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const {
    return metadata_;
  }
  // Null if there is none.
  const StoredTensor* Find(absl::string_view name) const;

  // Elements [first, first + count) of one of `tensors`, as they lie there.
  absl::Status Read(const StoredTensor& tensor, int64_t first, int64_t count,
                    void* elements) const;

  // The length's bytes and the header.
  absl::StatusOr<std::string> ReadHeader() const;

 private:
  explicit SafetensorsFile(RandomAccessFile file) : file_(std::move(file)) {}

  absl::Status ParseHeader();
  // Sorts tensors by their bytes and counts their offsets from the file's
  // beginning.
  absl::Status PlaceTensors();
  absl::Status Error(absl::string_view sentence) const;

  RandomAccessFile file_;
  int64_t data_begin_ = 0;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, size_t, std::less<>> by_name_;
  std::map<std::string, std::string> metadata_;
};

// What a file begins with: the length and the header of `tensors`, whose
// offsets are set to where their bytes must follow, in this order. `tensors`
// have distinct names and keep to kMaxHeaderBytes.
std::string MakeSafetensorsHeader(
    const std::map<std::string, std::string>& metadata,
    std::vector<StoredTensor>* tensors);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_SAFETENSORS_H_
