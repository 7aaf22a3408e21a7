// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/memory_token_file.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/number_text.h"
#include "switchyard/base/random_access_file.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/text_encoder.h"

namespace switchyard {

absl::StatusOr<std::unique_ptr<MemoryTokenFile>> MemoryTokenFile::Open(
    const std::string& path, Tokenizer& tokenizer) {
  SWITCHYARD_ASSIGN_OR_RETURN(const RandomAccessFile file,
                              RandomAccessFile::Open(path));
  if (file.size() > kMostTextBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected text of at most ", ByteText(kMostTextBytes),
        " to encode before a run, found ", ByteText(file.size()), " in ", path,
        "; encode it once with switchyard tokenize and give the tokens"));
  }
  std::unique_ptr<MemoryTokenFile> result(new MemoryTokenFile(path));
  std::vector<int32_t>& tokens = result->tokens_;
  SWITCHYARD_RETURN_IF_ERROR(
      EncodeFile(file, tokenizer, [&](absl::Span<const int32_t> part) {
        tokens.insert(tokens.end(), part.begin(), part.end());
        return absl::OkStatus();
      }));
  tokens.shrink_to_fit();
  if (!tokens.empty()) {
    result->bytes_per_token_ =
        static_cast<double>(file.size()) / static_cast<double>(tokens.size());
  }
  return result;
}

absl::Status MemoryTokenFile::Read(int64_t begin, int64_t count,
                                   int32_t* tokens) const {
  SWITCHYARD_CHECK(begin >= 0 && count >= 0 && begin <= size() - count)
      << path() << " " << begin << " " << count << " " << size();
  std::copy_n(tokens_.begin() + begin, count, tokens);
  return absl::OkStatus();
}

}  // namespace switchyard
