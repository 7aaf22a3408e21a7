// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How the files of --data hold tokens. docs/data.md describes the formats to
// the byte.
#ifndef SWITCHYARD_RUNTIME_DATA_DATA_FORMAT_H_
#define SWITCHYARD_RUNTIME_DATA_DATA_FORMAT_H_

#include <string>

#include "absl/status/statusor.h"

namespace switchyard {

enum class DataFormat {
  kAuto,      // what the file itself tells
  kText,      // text, for a tokenizer
  kU16,       // tokens alone, 2 bytes each
  kU32,       // tokens alone, 4 bytes each
  kLlmc,      // llm.c's: a header and tokens of 2 bytes
  kMegatron,  // Megatron's: PATH.bin and its index PATH.idx
};

// The name that flags use.
const char* NameOf(DataFormat format);

// What kAuto stands for: llm.c's magic number, an index beside a .bin, an
// ending .u16 or .u32, else text. An error if the file ends with .bin and
// nothing tells more, or is of a format that is known and not read.
absl::StatusOr<DataFormat> FormatOfFile(const std::string& path);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_DATA_FORMAT_H_
