// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "mapped_text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "settings.h"

namespace custom_trainer {
namespace {

// T + 1 bytes make a sequence: the last one is a label only.
int64_t SequencesIn(int64_t size) { return (size - 1) / kSequenceLength; }

}  // namespace

absl::StatusOr<std::unique_ptr<MappedText>> MappedText::Open(
    const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  }
  struct stat status = {};
  fstat(file, &status);
  const int64_t size = status.st_size;
  if (SequencesIn(size) < 1) {
    close(file);
    return absl::InvalidArgumentError(
        absl::StrCat("expected a text of more than ", kSequenceLength,
                     " bytes, found ", size, " in ", path));
  }
  void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  const int error = errno;
  close(file);
  if (bytes == MAP_FAILED) {
    return absl::ErrnoToStatus(error, absl::StrCat("cannot map ", path));
  }
  return std::unique_ptr<MappedText>(
      new MappedText(static_cast<const unsigned char*>(bytes), size));
}

MappedText::MappedText(const unsigned char* bytes, int64_t size)
    : bytes_(bytes),
      size_(size),
      sampler_(kSeed, SequencesIn(size), kGlobalBatch) {}

MappedText::~MappedText() { munmap(const_cast<unsigned char*>(bytes_), size_); }

int64_t MappedText::sequence_length() const { return kSequenceLength; }

absl::Status MappedText::Fill(int64_t step, int64_t first, int64_t count,
                              switchyard::Batch* batch) {
  batch->sequences = count;
  batch->sequence_length = kSequenceLength;
  batch->ids.clear();
  batch->labels.clear();
  batch->sequence_index.clear();
  batch->valid.assign(count * kSequenceLength, 1);
  for (int64_t position = first; position < first + count; ++position) {
    const int64_t index = sampler_.Sequence(step, position);
    const unsigned char* begin = bytes_ + index * kSequenceLength;
    const unsigned char* end = begin + kSequenceLength;
    batch->ids.insert(batch->ids.end(), begin, end);
    batch->labels.insert(batch->labels.end(), begin + 1, end + 1);
    batch->sequence_index.push_back(index);
  }
  return absl::OkStatus();
}

absl::Status MappedText::FillEval(int64_t, int64_t, switchyard::Batch*) {
  return absl::FailedPreconditionError("this trainer holds no text out");
}

}  // namespace custom_trainer
