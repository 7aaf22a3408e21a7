// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/file.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/random_access_file.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/block_checksum.h"

namespace switchyard {
namespace {

// Beyond that it is no manifest.
constexpr size_t kMaxManifestBytes = size_t{1} << 30;

absl::Status Damaged(absl::string_view file, absl::string_view sentence) {
  return absl::DataLossError(absl::StrCat(
      file, ": ", sentence, "; the checkpoint is damaged: use another one"));
}

absl::Status CheckSize(const std::string& path, int64_t byte_count) {
  const auto file = RandomAccessFile::Open(path);
  if (absl::IsNotFound(file.status())) {
    return Damaged(path,
                   absl::StrCat("expected ", byte_count, " bytes, found none"));
  }
  SWITCHYARD_RETURN_IF_ERROR(file.status());
  if (file->size() == byte_count) return absl::OkStatus();
  return Damaged(path, absl::StrCat("expected ", byte_count, " bytes, found ",
                                    file->size()));
}

}  // namespace

Checkpoint::Checkpoint(std::string path, Manifest manifest)
    : path_(std::move(path)),
      manifest_(std::move(manifest)),
      files_(manifest_.files.size()) {}

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& path) {
  const std::string file = absl::StrCat(path, "/", Manifest::kFileName);
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string json,
                              ReadFile(file, kMaxManifestBytes));
  SWITCHYARD_ASSIGN_OR_RETURN(Manifest manifest, ParseManifest(json, file));
  return Checkpoint(path, std::move(manifest));
}

const SavedTensor* Checkpoint::Find(const std::string& name) const {
  const auto found = manifest_.tensors.find(name);
  return found == manifest_.tensors.end() ? nullptr : &found->second;
}

absl::StatusOr<const SafetensorsFile*> Checkpoint::File(int number) {
  std::unique_ptr<SafetensorsFile>& file = files_[number];
  if (file != nullptr) return file.get();
  const SavedFile& saved = manifest_.files[number];
  const std::string path = absl::StrCat(path_, "/", saved.name);
  // Before its header is believed: what was cut off is no matter of that.
  SWITCHYARD_RETURN_IF_ERROR(CheckSize(path, saved.byte_count));
  SWITCHYARD_ASSIGN_OR_RETURN(SafetensorsFile opened,
                              SafetensorsFile::Open(path));
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string header, opened.ReadHeader());
  if (ChecksumOf(header) != saved.header_checksum) {
    return Damaged(path, "expected the header that was written, found another");
  }
  file = std::make_unique<SafetensorsFile>(std::move(opened));
  return file.get();
}

absl::StatusOr<const StoredTensor*> Checkpoint::Place(const std::string& name,
                                                      const SavedTensor& tensor,
                                                      const SavedSlice& slice) {
  SWITCHYARD_ASSIGN_OR_RETURN(const SafetensorsFile* file, File(slice.file));
  const std::string stored = SliceName(name, tensor.shape, slice);
  const StoredTensor* place = file->Find(stored);
  if (place == nullptr || place->type != StoredTypeOf(tensor.dtype) ||
      place->element_count() != slice.count) {
    return Damaged(
        file->path(),
        absl::StrCat("expected ", slice.count, " elements ",
                     NameOf(StoredTypeOf(tensor.dtype)), " of tensor \"",
                     Printable(stored), "\", found ",
                     place == nullptr ? "none"
                                      : absl::StrCat(NameOf(place->type), " ",
                                                     place->ShapeText())));
  }
  return place;
}

absl::Status Checkpoint::ReadSlice(const std::string& name,
                                   const SavedTensor& tensor,
                                   const SavedSlice& slice, int64_t first,
                                   int64_t count, char* elements) {
  SWITCHYARD_ASSIGN_OR_RETURN(const StoredTensor* place,
                              Place(name, tensor, slice));
  const SafetensorsFile& file = *files_[slice.file];
  const int64_t size = SizeOf(place->type);
  const int64_t end = first + count;
  for (int64_t at = first; at < end;) {
    const int64_t block = at / kChecksumBlock;
    const int64_t begin = block * kChecksumBlock;
    const int64_t length = std::min(kChecksumBlock, slice.count - begin);
    const int64_t stop = std::min(end, begin + length);
    const bool whole = at == begin && stop == begin + length;
    char* to = elements + (at - first) * size;
    if (!whole) block_.resize(static_cast<size_t>(length * size));
    char* bytes = whole ? to : block_.data();
    SWITCHYARD_RETURN_IF_ERROR(file.Read(*place, begin, length, bytes));
    if (ChecksumOf({bytes, static_cast<size_t>(length * size)}) !=
        slice.checksums[block]) {
      return Damaged(
          file.path(),
          absl::StrCat("expected the bytes that were written in elements ",
                       slice.first + begin, " to ",
                       slice.first + begin + length - 1, " of tensor \"",
                       Printable(name), "\", found others"));
    }
    if (!whole) {
      std::memcpy(to, bytes + (at - begin) * size,
                  static_cast<size_t>((stop - at) * size));
    }
    at = stop;
  }
  return absl::OkStatus();
}

absl::Status Checkpoint::Read(const std::string& name, int64_t first,
                              int64_t count, void* elements) {
  const SavedTensor* tensor = Find(name);
  SWITCHYARD_CHECK(tensor != nullptr && first >= 0 && count >= 0 &&
                   first <= tensor->shape.element_count() - count)
      << name << " " << first << " " << count;
  const int64_t size = static_cast<int64_t>(SizeOf(tensor->dtype));
  const int64_t end = first + count;
  // The first slice that ends behind `first`.
  auto slice = std::partition_point(
      tensor->slices.begin(), tensor->slices.end(),
      [&](const SavedSlice& s) { return s.first + s.count <= first; });
  for (int64_t at = first; at < end; ++slice) {
    const int64_t stop = std::min(end, slice->first + slice->count);
    SWITCHYARD_RETURN_IF_ERROR(
        ReadSlice(name, *tensor, *slice, at - slice->first, stop - at,
                  static_cast<char*>(elements) + (at - first) * size));
    at = stop;
  }
  return absl::OkStatus();
}

absl::Status Checkpoint::Verify(
    const std::function<void(int64_t bytes)>& progress) {
  int64_t bytes = 0;
  for (size_t i = 0; i < files_.size(); ++i) {
    SWITCHYARD_RETURN_IF_ERROR(File(static_cast<int>(i)).status());
  }
  std::vector<char> elements;
  for (const auto& [name, tensor] : manifest_.tensors) {
    for (const SavedSlice& slice : tensor.slices) {
      const int64_t size = static_cast<int64_t>(SizeOf(tensor.dtype));
      for (int64_t at = 0; at < slice.count; at += kChecksumBlock) {
        const int64_t count = std::min(kChecksumBlock, slice.count - at);
        elements.resize(static_cast<size_t>(count * size));
        SWITCHYARD_RETURN_IF_ERROR(
            ReadSlice(name, tensor, slice, at, count, elements.data()));
      }
      bytes += slice.count * size;
      if (progress) progress(bytes);
    }
  }
  return absl::OkStatus();
}

}  // namespace switchyard
