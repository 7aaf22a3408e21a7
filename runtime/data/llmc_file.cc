// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/llmc_file.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"

namespace switchyard {

bool LlmcFile::HasMagic(absl::string_view begin) {
  int32_t magic = 0;
  if (begin.size() < sizeof(magic)) return false;
  std::memcpy(&magic, begin.data(), sizeof(magic));
  return magic == kMagic;
}

std::string LlmcFile::Header(int64_t count) {
  std::string header(kHeaderBytes, '\0');
  const int32_t begin[] = {kMagic, kVersion, static_cast<int32_t>(count)};
  std::memcpy(header.data(), begin, sizeof(begin));
  return header;
}

absl::StatusOr<std::unique_ptr<FlatTokenFile>> LlmcFile::Open(
    const std::string& path, int64_t vocabulary) {
  SWITCHYARD_ASSIGN_OR_RETURN(RandomAccessFile file,
                              RandomAccessFile::Open(path));
  const auto refuse = [&](absl::string_view wanted, int64_t found) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a token file of llm.c with ", wanted, " in ", path,
        ", found ", found, "; give another --data_format or the whole file"));
  };
  if (file.size() < kHeaderBytes) {
    return refuse(absl::StrCat("a header of ", kHeaderBytes, " bytes"),
                  file.size());
  }
  int32_t header[3];
  SWITCHYARD_RETURN_IF_ERROR(file.Read(0, sizeof(header), header));
  if (header[0] != kMagic) {
    return refuse(absl::StrCat("the magic number ", kMagic), header[0]);
  }
  if (header[1] != kVersion) {
    return refuse(absl::StrCat("version ", kVersion), header[1]);
  }
  const int64_t bytes = SizeOf(TokenType::kUint16);
  if (header[2] < 0 || kHeaderBytes + header[2] * bytes != file.size()) {
    return refuse(absl::StrCat("the ", header[2], " tokens of its header"),
                  (file.size() - kHeaderBytes) / bytes);
  }
  return std::make_unique<FlatTokenFile>(
      std::move(file),
      FlatTokenFile::Layout{TokenType::kUint16, kHeaderBytes, header[2]},
      vocabulary);
}

}  // namespace switchyard
