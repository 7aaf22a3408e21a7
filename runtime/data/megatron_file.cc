// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/megatron_file.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

constexpr int64_t kPart = 1 << 16;  // entries of the index read at once

template <typename T>
T NumberAt(const char* from) {
  T number;
  std::memcpy(&number, from, sizeof(number));
  return number;
}

template <typename T>
void Append(T number, std::string* to) {
  to->append(reinterpret_cast<const char*>(&number), sizeof(number));
}

absl::string_view Prefix(absl::string_view path) {
  if (!absl::ConsumeSuffix(&path, ".idx")) absl::ConsumeSuffix(&path, ".bin");
  return path;
}

class Index {
 public:
  explicit Index(RandomAccessFile file) : file_(std::move(file)) {}

  absl::Status ReadHeader();
  // The tokens of all sequences.
  absl::StatusOr<int64_t> CheckSequences() const;
  absl::Status CheckDocuments() const;
  TokenType type() const { return type_; }

  absl::Status Refuse(absl::string_view wanted, absl::string_view found) const {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected an index of Megatron with ", wanted, " in ", file_.path(),
        ", found ", found, "; give the whole file, written anew"));
  }

 private:
  const RandomAccessFile file_;
  TokenType type_ = TokenType::kUint16;
  int64_t sequences_ = 0;
  int64_t documents_ = 0;
};

absl::Status Index::ReadHeader() {
  char header[MegatronFile::kHeaderBytes];
  if (file_.size() < MegatronFile::kHeaderBytes) {
    return Refuse(absl::StrCat(MegatronFile::kHeaderBytes, " bytes or more"),
                  absl::StrCat(file_.size()));
  }
  SWITCHYARD_RETURN_IF_ERROR(file_.Read(0, sizeof(header), header));
  if (absl::string_view(header, 9) != MegatronFile::kMagic) {
    return Refuse("MMIDIDX in front", "other bytes");
  }
  const uint64_t version = NumberAt<uint64_t>(header + 9);
  if (version != MegatronFile::kVersion) {
    return Refuse("version 1", absl::StrCat(version));
  }
  const int type = static_cast<uint8_t>(header[17]);
  if (type < 1 || type > 5) {
    if (type == 6 || type == 7) return Refuse("whole numbers", "fractions");
    if (type != 8) {
      return Refuse("a type of tokens of 1 to 5 or 8", absl::StrCat(type));
    }
  }
  type_ = static_cast<TokenType>(type);
  const uint64_t sequences = NumberAt<uint64_t>(header + 18);
  const uint64_t documents = NumberAt<uint64_t>(header + 26);
  // Divided, so that nothing overflows; 12 bytes a sequence and 8 a document.
  const uint64_t rest =
      static_cast<uint64_t>(file_.size() - MegatronFile::kHeaderBytes);
  const bool fits = sequences <= rest / 12 && documents <= rest / 8;
  const uint64_t needed = fits ? sequences * 12 + documents * 8 : 0;
  // With or without modes.
  if (!fits || (rest != needed && rest != needed + sequences)) {
    return Refuse(absl::StrCat("room for ", sequences, " sequences and ",
                               documents, " documents"),
                  absl::StrCat(file_.size(), " bytes"));
  }
  sequences_ = static_cast<int64_t>(sequences);
  documents_ = static_cast<int64_t>(documents);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Index::CheckSequences() const {
  std::vector<int32_t> lengths(kPart);
  std::vector<int64_t> begins(kPart);
  const int64_t at_lengths = MegatronFile::kHeaderBytes;
  const int64_t at_begins = at_lengths + 4 * sequences_;
  // Fewer than 2^31 tokens each and fewer than 2^60 sequences, but the sum of
  // them is at most what the largest file has.
  const int64_t most = (int64_t{1} << 62) / SizeOf(type_);
  int64_t tokens = 0;
  for (int64_t first = 0; first < sequences_; first += kPart) {
    const int64_t count = std::min(kPart, sequences_ - first);
    SWITCHYARD_RETURN_IF_ERROR(
        file_.Read(at_lengths + first * 4, count * 4, lengths.data()));
    SWITCHYARD_RETURN_IF_ERROR(
        file_.Read(at_begins + first * 8, count * 8, begins.data()));
    for (int64_t i = 0; i < count; ++i) {
      if (lengths[i] < 0) {
        return Refuse("lengths of 0 or more",
                      absl::StrCat(lengths[i], " of sequence ", first + i));
      }
      if (begins[i] != tokens * SizeOf(type_)) {
        return Refuse(absl::StrCat("sequence ", first + i, " at byte ",
                                   tokens * SizeOf(type_),
                                   ", where the one before ends,"),
                      absl::StrCat(begins[i]));
      }
      tokens += lengths[i];
      if (tokens > most) return Refuse("fewer than 2^62 bytes", "more");
    }
  }
  return tokens;
}

absl::Status Index::CheckDocuments() const {
  std::vector<int64_t> begins(kPart);
  const int64_t at = MegatronFile::kHeaderBytes + 12 * sequences_;
  int64_t last = 0;
  for (int64_t first = 0; first < documents_; first += kPart) {
    const int64_t count = std::min(kPart, documents_ - first);
    SWITCHYARD_RETURN_IF_ERROR(
        file_.Read(at + first * 8, count * 8, begins.data()));
    for (int64_t i = 0; i < count; ++i) {
      const bool is_first = first + i == 0;
      if (begins[i] < last || begins[i] > sequences_ ||
          (is_first && begins[i] != 0)) {
        return Refuse(
            absl::StrCat("documents from 0 to ", sequences_, " in order"),
            absl::StrCat(begins[i], " as index ", first + i));
      }
      last = begins[i];
    }
  }
  if (last == sequences_) return absl::OkStatus();
  return Refuse(absl::StrCat("documents up to sequence ", sequences_),
                absl::StrCat("the last up to ", last));
}

}  // namespace

std::string MegatronFile::TokensOf(absl::string_view path) {
  return absl::StrCat(Prefix(path), ".bin");
}

std::string MegatronFile::IndexOf(absl::string_view path) {
  return absl::StrCat(Prefix(path), ".idx");
}

std::string MegatronFile::Header(TokenType type, int64_t sequences,
                                 int64_t document_indices) {
  std::string header(kMagic);
  Append(kVersion, &header);
  Append(static_cast<uint8_t>(type), &header);
  Append(static_cast<uint64_t>(sequences), &header);
  Append(static_cast<uint64_t>(document_indices), &header);
  return header;
}

absl::StatusOr<std::unique_ptr<FlatTokenFile>> MegatronFile::Open(
    const std::string& path, int64_t vocabulary) {
  SWITCHYARD_ASSIGN_OR_RETURN(RandomAccessFile index_file,
                              RandomAccessFile::Open(IndexOf(path)));
  SWITCHYARD_ASSIGN_OR_RETURN(RandomAccessFile file,
                              RandomAccessFile::Open(TokensOf(path)));
  Index index(std::move(index_file));
  SWITCHYARD_RETURN_IF_ERROR(index.ReadHeader());
  SWITCHYARD_ASSIGN_OR_RETURN(const int64_t tokens, index.CheckSequences());
  SWITCHYARD_RETURN_IF_ERROR(index.CheckDocuments());
  if (tokens * SizeOf(index.type()) != file.size()) {
    return index.Refuse(
        absl::StrCat("the ", file.size(), " bytes of ", file.path()),
        absl::StrCat(tokens, " tokens of ", SizeOf(index.type()), " bytes"));
  }
  return std::make_unique<FlatTokenFile>(
      std::move(file), FlatTokenFile::Layout{index.type(), 0, tokens},
      vocabulary);
}

}  // namespace switchyard
