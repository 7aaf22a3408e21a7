// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/snapshot.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/number_text.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/block_checksum.h"
#include "switchyard/runtime/checkpoint/manifest.h"

namespace switchyard {
namespace {

// Copied before the writer is told, and written at once: small enough that what
// was summed up is still in a cache when it is written.
constexpr int64_t kPieceBytes = int64_t{1} << 19;

// Of large pages, which are fewer to fault in.
constexpr size_t kPageBytes = size_t{1} << 21;

}  // namespace

// Lists what this rank owns, and the numbers.
class Snapshot::Lister : public StateVisitor {
 public:
  explicit Lister(Snapshot& snapshot) : snapshot_(snapshot) {}

  absl::Status Visit(const StateSlice& slice) override {
    if (!slice.owned) return absl::OkStatus();
    snapshot_.slices_.push_back({slice.name,
                                 slice.values.dtype(),
                                 slice.shape,
                                 slice.first_element,
                                 slice.values.element_count(),
                                 snapshot_.byte_count_,
                                 {}});
    snapshot_.byte_count_ += slice.values.byte_count();
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

 private:
  Snapshot& snapshot_;
};

class Snapshot::Copier : public StateVisitor {
 public:
  Copier(Snapshot& snapshot, Stream& stream)
      : snapshot_(snapshot), stream_(stream) {}

  absl::Status Visit(const StateSlice& slice) override {
    if (!slice.owned) return absl::OkStatus();
    const Slice& listed = snapshot_.slices_[next_++];
    SWITCHYARD_CHECK(listed.name == slice.name &&
                     listed.first == slice.first_element &&
                     listed.byte_count() == slice.values.byte_count())
        << slice.name;
    const int64_t elements =
        kPieceBytes / static_cast<int64_t>(SizeOf(listed.dtype));
    for (int64_t at = 0; at < listed.count; at += elements) {
      const TensorView piece =
          slice.values.Rows(at, std::min(listed.count, at + elements));
      stream_.CopyToHost(snapshot_.bytes_.get() + copied_, piece);
      copied_ += piece.byte_count();
      if (copied_ - told_ >= kPieceBytes) Tell();
    }
    return absl::OkStatus();
  }
  absl::Status Visit(const char*, int64_t*) override {
    return absl::OkStatus();
  }
  absl::Status Visit(const char*, double*) override { return absl::OkStatus(); }

  void Tell() {
    stream_.Wait();
    snapshot_.Progress(copied_);
    told_ = copied_;
  }

 private:
  Snapshot& snapshot_;
  Stream& stream_;
  size_t next_ = 0;
  int64_t copied_ = 0, told_ = 0;
};

void Snapshot::FreeMemory::operator()(char* bytes) const { std::free(bytes); }

absl::Status Snapshot::Reserve() {
  if (byte_count_ <= capacity_) return absl::OkStatus();
  bytes_.reset();  // before the new memory is there
  capacity_ = 0;
  const size_t pages =
      (static_cast<size_t>(byte_count_) + kPageBytes - 1) / kPageBytes;
  void* memory = std::aligned_alloc(kPageBytes, pages * kPageBytes);
  if (memory == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "expected ", ByteText(byte_count_),
        " of memory for the copy of a rank's state that a checkpoint is "
        "written from, found that the system gives less; run fewer ranks on a "
        "host, or leave --checkpoint_every out"));
  }
  madvise(memory, pages * kPageBytes, MADV_HUGEPAGE);  // a hint, no more
  bytes_.reset(static_cast<char*>(memory));
  capacity_ = byte_count_;
  return absl::OkStatus();
}

absl::Status Snapshot::Begin(const VisitState& visit) {
  slices_.clear();
  byte_count_ = 0;
  copied_ = 0;
  failed_ = false;
  Lister lister(*this);
  SWITCHYARD_RETURN_IF_ERROR(visit(lister));
  return Reserve();
}

absl::Status Snapshot::Copy(Stream& stream, const VisitState& visit) {
  Copier copier(*this, stream);
  const absl::Status status = visit(copier);
  if (status.ok()) {
    copier.Tell();
  } else {
    const std::lock_guard<std::mutex> lock(mutex_);
    failed_ = true;
    progress_.notify_all();
  }
  return status;
}

void Snapshot::Progress(int64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  copied_ = bytes;
  progress_.notify_all();
}

bool Snapshot::WaitFor(int64_t bytes) {
  std::unique_lock<std::mutex> lock(mutex_);
  progress_.wait(lock, [&] { return failed_ || copied_ >= bytes; });
  return !failed_;
}

std::string Snapshot::MakeHeader() const {
  std::map<std::string, SavedTensor> saved;
  std::vector<StoredTensor> stored;
  for (const Slice& slice : slices_) {
    SavedTensor& tensor =
        saved.try_emplace(slice.name, SavedTensor{slice.dtype, slice.shape, {}})
            .first->second;
    SavedSlice one = {0, slice.first, slice.count, slice.checksums};
    const bool whole = slice.count == slice.shape.element_count();
    stored.push_back(WholeTensor(SliceName(slice.name, slice.shape, one),
                                 slice.dtype,
                                 whole ? slice.shape : Shape{slice.count}));
    tensor.slices.push_back(std::move(one));
  }
  return MakeSafetensorsHeader(
      {{"format", "pt"}, {"slices", SlicesToJson(saved)}}, &stored);
}

absl::Status Snapshot::AppendSlices(NewFile& file) {
  size_t next = 0;  // the slice that the piece begins in, or the one behind it
  std::unique_ptr<BlockChecksums> checksums;
  for (int64_t at = 0; at < byte_count_;) {
    const int64_t stop = std::min(byte_count_, at + kPieceBytes);
    if (!WaitFor(stop)) return absl::AbortedError("the snapshot failed");
    for (int64_t summed = at; summed < stop;) {
      Slice& slice = slices_[next];
      const int64_t end = slice.offset + slice.byte_count();
      if (summed == slice.offset) {
        checksums = std::make_unique<BlockChecksums>(
            static_cast<int64_t>(SizeOf(slice.dtype)));
      }
      const int64_t part_end = std::min(stop, end);
      checksums->Add(Bytes(summed, part_end));
      summed = part_end;
      if (summed < end) break;
      slice.checksums = checksums->Finish();
      ++next;
    }
    SWITCHYARD_RETURN_IF_ERROR(file.Append(Bytes(at, stop)));
    at = stop;
  }
  return absl::OkStatus();
}

absl::Status Snapshot::WriteTo(FileSystem& files, const std::string& path) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<NewFile> file,
                              files.Create(path));
  // The header is as long with the checksums of nothing, and comes when they
  // are known.
  for (Slice& slice : slices_) {
    slice.checksums.assign(
        static_cast<size_t>((slice.count + kChecksumBlock - 1) /
                            kChecksumBlock),
        0);
  }
  const std::string header = MakeHeader();
  SWITCHYARD_RETURN_IF_ERROR(file->Append(header));
  SWITCHYARD_RETURN_IF_ERROR(AppendSlices(*file));
  const std::string known = MakeHeader();
  SWITCHYARD_CHECK(known.size() == header.size()) << path;
  SWITCHYARD_RETURN_IF_ERROR(file->Rewrite(0, known));
  return file->Sync();
}

}  // namespace switchyard
