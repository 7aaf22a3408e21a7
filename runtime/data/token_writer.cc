// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/token_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/file.h"
#include "switchyard/base/file_system.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/llmc_file.h"
#include "switchyard/runtime/data/megatron_file.h"

namespace switchyard {
namespace {

constexpr int64_t kMostU16Vocabulary = 65536;
constexpr int64_t kMegatronU16Vocabulary = 65500;  // below it

absl::Status WriteAll(int file, absl::string_view bytes, off_t at,
                      const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(file, bytes.data(), bytes.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(errno, "write", path);
    bytes.remove_prefix(static_cast<size_t>(count));
    at += count;
  }
  return absl::OkStatus();
}

int64_t HeaderBytes(DataFormat format) {
  return format == DataFormat::kLlmc ? LlmcFile::kHeaderBytes : 0;
}

TokenType TypeOf(DataFormat format, int64_t vocabulary) {
  if (format == DataFormat::kU32) return TokenType::kUint32;
  if (format == DataFormat::kMegatron && vocabulary >= kMegatronU16Vocabulary) {
    return TokenType::kInt32;
  }
  return TokenType::kUint16;
}

template <typename T>
void AppendAs(absl::Span<const int32_t> tokens, std::string* to) {
  for (const int32_t token : tokens) {
    const T number = static_cast<T>(token);
    to->append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenWriter>> TokenWriter::Create(
    const std::string& path, DataFormat format, int64_t vocabulary) {
  const TokenType type = TypeOf(format, vocabulary);
  if (type == TokenType::kUint16 && vocabulary > kMostU16Vocabulary) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a vocabulary of at most ", kMostU16Vocabulary,
                     " for --format ", NameOf(format), ", found ", vocabulary,
                     "; give --format u32 or megatron"));
  }
  std::unique_ptr<TokenWriter> writer(new TokenWriter(path, format, type));
  for (const std::string& target : writer->paths()) {
    std::error_code error;
    if (std::filesystem::exists(target, error)) {
      return absl::AlreadyExistsError(
          absl::StrCat("expected a new file for --out, found ", target,
                       ", which exists; remove it or give another"));
    }
  }
  SWITCHYARD_RETURN_IF_ERROR(writer->Start());
  return writer;
}

std::vector<std::string> TokenWriter::paths() const {
  if (format_ != DataFormat::kMegatron) return {path_};
  return {MegatronFile::TokensOf(path_), MegatronFile::IndexOf(path_)};
}

std::string TokenWriter::TemporaryPath(const std::string& path) const {
  return absl::StrCat(path, ".writing.", getpid());
}

absl::Status TokenWriter::Start() {
  const std::string path = TemporaryPath(paths()[0]);
  file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file_ < 0) return SystemError(errno, "create", path);
  return absl::OkStatus();
}

TokenWriter::~TokenWriter() {
  if (file_ < 0) return;
  close(file_);
  for (const std::string& path : paths()) unlink(TemporaryPath(path).c_str());
}

absl::Status TokenWriter::Append(absl::Span<const int32_t> tokens) {
  constexpr size_t kAtOnce = 1 << 18;
  while (!tokens.empty()) {
    const absl::Span<const int32_t> part = tokens.subspan(0, kAtOnce);
    tokens.remove_prefix(part.size());
    buffer_.clear();
    if (type_ == TokenType::kUint16) {
      AppendAs<uint16_t>(part, &buffer_);
    } else {
      AppendAs<uint32_t>(part, &buffer_);
    }
    SWITCHYARD_RETURN_IF_ERROR(
        WriteAll(file_, buffer_, HeaderBytes(format_) + tokens_ * SizeOf(type_),
                 TemporaryPath(paths()[0])));
    tokens_ += static_cast<int64_t>(part.size());
  }
  if (format_ == DataFormat::kLlmc && tokens_ > LlmcFile::kMostTokens) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected at most ", LlmcFile::kMostTokens,
        " tokens for --format llmc, found more; split the text into several "
        "files or give another --format"));
  }
  return absl::OkStatus();
}

absl::Status TokenWriter::EndDocument() {
  if (format_ != DataFormat::kMegatron) return absl::OkStatus();
  const int64_t begin = document_ends_.empty() ? 0 : document_ends_.back();
  if (tokens_ - begin > INT32_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected at most ", INT32_MAX,
                     " tokens in a document for --format megatron, found ",
                     tokens_ - begin, "; split the text into several files"));
  }
  document_ends_.push_back(tokens_);
  return absl::OkStatus();
}

// A document is one sequence.
absl::Status TokenWriter::WriteIndex() const {
  const int64_t documents = static_cast<int64_t>(document_ends_.size());
  std::string index = MegatronFile::Header(type_, documents, documents + 1);
  std::vector<int32_t> lengths;
  std::vector<int64_t> begins, first_sequences = {0};
  int64_t begin = 0;
  for (const int64_t end : document_ends_) {
    lengths.push_back(static_cast<int32_t>(end - begin));
    begins.push_back(begin * SizeOf(type_));
    first_sequences.push_back(static_cast<int64_t>(lengths.size()));
    begin = end;
  }
  const auto append = [&](const auto& numbers) {
    index.append(reinterpret_cast<const char*>(numbers.data()),
                 numbers.size() * sizeof(numbers[0]));
  };
  append(lengths);
  append(begins);
  append(first_sequences);
  return WriteFileAtomically(TemporaryPath(MegatronFile::IndexOf(path_)),
                             index);
}

absl::Status TokenWriter::Finish() {
  SWITCHYARD_CHECK(file_ >= 0);
  if (format_ == DataFormat::kLlmc) {
    SWITCHYARD_RETURN_IF_ERROR(
        WriteAll(file_, LlmcFile::Header(tokens_), 0, TemporaryPath(path_)));
  }
  if (format_ == DataFormat::kMegatron) {
    SWITCHYARD_RETURN_IF_ERROR(WriteIndex());
  }
  if (fsync(file_) != 0) {
    return SystemError(errno, "write", TemporaryPath(paths()[0]));
  }
  for (const std::string& path : paths()) {
    SWITCHYARD_RETURN_IF_ERROR(SystemFiles().Rename(TemporaryPath(path), path));
  }
  close(file_);
  file_ = -1;
  const std::string folder =
      std::filesystem::path(path_).parent_path().string();
  return SystemFiles().SyncFolder(folder.empty() ? "." : folder);
}

}  // namespace switchyard
