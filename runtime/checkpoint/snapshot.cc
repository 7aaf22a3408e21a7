// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/snapshot.h"

#include "switchyard/base/check.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/block_checksum.h"
#include "switchyard/runtime/checkpoint/manifest.h"
#include "switchyard/runtime/checkpoint/safetensors.h"

namespace switchyard {

// Counts bytes in a first visit and copies them in a second one.
class Snapshot::Copier : public StateVisitor {
 public:
  Copier(Snapshot& snapshot, Stream* stream)
      : snapshot_(snapshot), stream_(stream) {}

  absl::Status Visit(const StateSlice& slice) override {
    if (!slice.owned) return absl::OkStatus();
    const int64_t bytes = slice.values.byte_count();
    if (stream_ != nullptr) {
      SWITCHYARD_CHECK(bytes <= snapshot_.byte_count_ - bytes_) << slice.name;
      snapshot_.slices_.push_back({slice.name, slice.values.dtype(),
                                   slice.shape, slice.first_element,
                                   slice.values.element_count(), bytes_});
      stream_->CopyToHost(snapshot_.bytes_.get() + bytes_, slice.values);
    }
    bytes_ += bytes;
    return absl::OkStatus();
  }
  absl::Status Visit(const char* name, int64_t* value) override {
    snapshot_.integers_[name] = *value;
    return absl::OkStatus();
  }
  absl::Status Visit(const char* name, double* value) override {
    snapshot_.numbers_[name] = *value;
    return absl::OkStatus();
  }

  int64_t bytes() const { return bytes_; }

 private:
  Snapshot& snapshot_;
  Stream* const stream_;  // null: counts only
  int64_t bytes_ = 0;
};

absl::Status Snapshot::Take(Stream& stream, const VisitState& visit) {
  Copier counter(*this, nullptr);
  SWITCHYARD_RETURN_IF_ERROR(visit(counter));
  byte_count_ = counter.bytes();
  if (byte_count_ > capacity_) {
    bytes_.reset();  // before the new memory is there
    bytes_.reset(new char[static_cast<size_t>(byte_count_)]);
    capacity_ = byte_count_;
  }
  slices_.clear();
  Copier copier(*this, &stream);
  SWITCHYARD_RETURN_IF_ERROR(visit(copier));
  stream.Wait();
  return absl::OkStatus();
}

absl::Status Snapshot::WriteTo(FileSystem& files,
                               const std::string& path) const {
  std::map<std::string, SavedTensor> saved;
  std::vector<StoredTensor> stored;
  for (const Slice& slice : slices_) {
    SavedTensor& tensor =
        saved.try_emplace(slice.name, SavedTensor{slice.dtype, slice.shape, {}})
            .first->second;
    const int64_t size = static_cast<int64_t>(SizeOf(slice.dtype));
    SavedSlice one = {
        0, slice.first, slice.count,
        BlockChecksums(bytes_.get() + slice.offset, slice.count, size)};
    StoredTensor place;
    place.name = SliceName(slice.name, slice.shape, one);
    place.type = StoredTypeOf(slice.dtype);
    if (one.count == slice.shape.element_count()) {
      for (int i = 0; i < slice.shape.rank(); ++i) {
        place.shape.push_back(slice.shape[i]);
      }
    } else {
      place.shape = {slice.count};
    }
    stored.push_back(std::move(place));
    tensor.slices.push_back(std::move(one));
  }
  const std::string header = MakeSafetensorsHeader(
      {{"format", "pt"}, {"slices", SlicesToJson(saved)}}, &stored);
  SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<NewFile> file,
                              files.Create(path));
  SWITCHYARD_RETURN_IF_ERROR(file->Append(header));
  SWITCHYARD_RETURN_IF_ERROR(
      file->Append({bytes_.get(), static_cast<size_t>(byte_count_)}));
  return file->Sync();
}

}  // namespace switchyard
