// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/data_format.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "switchyard/base/random_access_file.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/llmc_file.h"
#include "switchyard/runtime/data/megatron_file.h"

namespace switchyard {
namespace {

absl::Status Refuse(const std::string& path, absl::string_view what,
                    absl::string_view advice) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected a file of text or tokens, found ", path, ", ",
                   what, "; ", advice));
}

}  // namespace

const char* NameOf(DataFormat format) {
  switch (format) {
    case DataFormat::kAuto:
      return "auto";
    case DataFormat::kText:
      return "text";
    case DataFormat::kU16:
      return "u16";
    case DataFormat::kU32:
      return "u32";
    case DataFormat::kLlmc:
      return "llmc";
    case DataFormat::kMegatron:
      return "megatron";
  }
  return "";
}

absl::StatusOr<DataFormat> FormatOfFile(const std::string& path) {
  std::error_code error;
  const bool exists = std::filesystem::exists(path, error);
  const std::string index = MegatronFile::IndexOf(path);
  if (absl::EndsWith(path, ".idx") ||
      ((absl::EndsWith(path, ".bin") || !exists) &&
       std::filesystem::exists(index, error))) {
    return DataFormat::kMegatron;
  }
  auto file = RandomAccessFile::Open(path);
  if (!file.ok()) return DataFormat::kText;  // whose reader says why not
  std::array<char, 8> bytes{};
  const int64_t count =
      std::min(file->size(), static_cast<int64_t>(bytes.size()));
  SWITCHYARD_RETURN_IF_ERROR(file->Read(0, count, bytes.data()));
  const absl::string_view begin(bytes.data(), static_cast<size_t>(count));
  if (LlmcFile::HasMagic(begin)) return DataFormat::kLlmc;
  if (absl::EndsWith(path, ".u16")) return DataFormat::kU16;
  if (absl::EndsWith(path, ".u32")) return DataFormat::kU32;
  if (absl::StartsWith(begin, "\x93NUMPY")) {
    return Refuse(path, "an array of NumPy",
                  "write its numbers alone (tofile) and give --data_format u16 "
                  "or u32");
  }
  if (absl::EndsWith(path, ".bin")) {
    return Refuse(path, "whose name and content do not tell how it holds them",
                  "give --data_format u16, u32 or text");
  }
  return DataFormat::kText;
}

}  // namespace switchyard
