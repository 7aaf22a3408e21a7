// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/byte_file.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

absl::Status CannotOpen(const absl::Status& status) {
  return absl::Status(
      status.code(),
      absl::StrCat("expected a file of text that can be read, but ",
                   status.message(), "; give another file"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ByteFile>> ByteFile::Open(
    const std::string& path, int64_t vocabulary) {
  auto file = RandomAccessFile::Open(path);
  if (!file.ok()) return CannotOpen(file.status());
  std::unique_ptr<ByteFile> result(new ByteFile(*std::move(file)));
  SWITCHYARD_RETURN_IF_ERROR(result->CheckVocabulary(vocabulary));
  return result;
}

absl::Status ByteFile::CheckVocabulary(int64_t vocabulary) const {
  if (vocabulary >= 256) return absl::OkStatus();
  std::vector<uint8_t> bytes(size_t{1} << 20);
  for (int64_t begin = 0; begin < size();) {
    const int64_t count =
        std::min(size() - begin, static_cast<int64_t>(bytes.size()));
    SWITCHYARD_RETURN_IF_ERROR(file_.Read(begin, count, bytes.data()));
    const auto end = bytes.begin() + count;
    const auto wrong = std::find_if(
        bytes.begin(), end, [&](uint8_t byte) { return byte >= vocabulary; });
    if (wrong != end) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected tokens below the model's vocabulary of ", vocabulary,
          ", found ", int{*wrong}, " at byte ", begin + (wrong - bytes.begin()),
          " of ", path(), "; use a model with vocab_size 256"));
    }
    begin += count;
  }
  return absl::OkStatus();
}

absl::Status ByteFile::Read(int64_t begin, int64_t count,
                            int32_t* tokens) const {
  SWITCHYARD_CHECK(begin >= 0 && count >= 0 && begin + count <= size())
      << path() << " " << begin << " " << count << " " << size();
  // The bytes are read into the last quarter of the result, then widened from
  // the front: a token never lands on a byte that is still to be read.
  uint8_t* bytes = reinterpret_cast<uint8_t*>(tokens) + 3 * count;
  SWITCHYARD_RETURN_IF_ERROR(file_.Read(begin, count, bytes));
  for (int64_t i = 0; i < count; ++i) {
    const int32_t token = bytes[i];
    tokens[i] = token;
  }
  return absl::OkStatus();
}

}  // namespace switchyard
