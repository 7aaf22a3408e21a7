// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/open_token_file.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/byte_file.h"
#include "switchyard/runtime/data/flat_token_file.h"
#include "switchyard/runtime/data/llmc_file.h"
#include "switchyard/runtime/data/megatron_file.h"
#include "switchyard/runtime/data/memory_token_file.h"

namespace switchyard {
namespace {

absl::StatusOr<std::unique_ptr<FlatTokenFile>> OpenStream(
    const std::string& path, DataFormat format, int64_t vocabulary) {
  switch (format) {
    case DataFormat::kLlmc:
      return LlmcFile::Open(path, vocabulary);
    case DataFormat::kMegatron:
      return MegatronFile::Open(path, vocabulary);
    case DataFormat::kU32:
      return FlatTokenFile::Open(path, TokenType::kUint32, vocabulary);
    default:
      return FlatTokenFile::Open(path, TokenType::kUint16, vocabulary);
  }
}

// Bytes of text that a token stands for on average: of all tokens, or of blocks
// evenly spread over a file that is too large to read before a run.
absl::StatusOr<double> TextBytesPerToken(const TokenFile& file,
                                         const Tokenizer& tokenizer) {
  constexpr int64_t kBlocks = 256, kMostBlockTokens = 1 << 16;
  const int64_t block =
      std::min(kMostBlockTokens, (file.size() + kBlocks - 1) / kBlocks);
  std::vector<int32_t> tokens(static_cast<size_t>(block));
  int64_t counted = 0, bytes = 0;
  for (int64_t i = 0; i < kBlocks; ++i) {
    const int64_t begin =
        file.size() / kBlocks * i + std::min(i, file.size() % kBlocks);
    const int64_t end = file.size() / kBlocks * (i + 1) +
                        std::min(i + 1, file.size() % kBlocks);
    const int64_t count = std::min(end - begin, block);
    SWITCHYARD_RETURN_IF_ERROR(file.Read(begin, count, tokens.data()));
    for (int64_t t = 0; t < count; ++t) {
      const int32_t token = tokens[static_cast<size_t>(t)];
      if (token < tokenizer.vocabulary()) bytes += tokenizer.TextBytes(token);
    }
    counted += count;
  }
  return static_cast<double>(bytes) / static_cast<double>(counted);
}

absl::StatusOr<std::unique_ptr<TokenFile>> OpenText(
    const std::string& path, const TokenFileOptions& options) {
  if (options.tokenizer == nullptr) {
    return ByteFile::Open(path, options.vocabulary);
  }
  return MemoryTokenFile::Open(path, *options.tokenizer);
}

absl::Status CannotOpen(const absl::Status& status) {
  return absl::Status(
      status.code(),
      absl::StrCat("expected a file of tokens that can be read, but ",
                   status.message(), "; give another file"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenFile>> OpenTokenFile(
    const std::string& path, const TokenFileOptions& options) {
  DataFormat format = options.format;
  if (format == DataFormat::kAuto) {
    SWITCHYARD_ASSIGN_OR_RETURN(format, FormatOfFile(path));
  }
  if (format == DataFormat::kText) return OpenText(path, options);
  auto opened = OpenStream(path, format, options.vocabulary);
  if (!opened.ok()) {
    // The formats' own sentences are whole.
    return absl::StartsWith(opened.status().message(), "expected")
               ? opened.status()
               : CannotOpen(opened.status());
  }
  std::unique_ptr<FlatTokenFile> file = *std::move(opened);
  SWITCHYARD_RETURN_IF_ERROR(file->CheckTokens());
  if (options.count_text && options.tokenizer != nullptr && file->size() > 0) {
    SWITCHYARD_ASSIGN_OR_RETURN(const double bytes,
                                TextBytesPerToken(*file, *options.tokenizer));
    // Nothing but special tokens stands for no text.
    if (bytes > 0.0) file->set_bytes_per_token(bytes);
  }
  return file;
}

}  // namespace switchyard
