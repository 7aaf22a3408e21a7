// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Files of text as tokens, with little memory: a file is read in parts of about
// a megabyte, cut where the tokens of both sides do not depend on each other
// (Tokenizer::MayCut): at the end of a line, else before a space, else
// anywhere. Where parts are cut depends on the text and the tokenizer alone.
#ifndef SWITCHYARD_RUNTIME_DATA_TEXT_ENCODER_H_
#define SWITCHYARD_RUNTIME_DATA_TEXT_ENCODER_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "switchyard/base/random_access_file.h"
#include "switchyard/runtime/data/tokenizer.h"

namespace switchyard {

using TokensSink = absl::FunctionRef<absl::Status(absl::Span<const int32_t>)>;

// Gives the tokens of `file` to `sink`, part by part. An error names the file:
// no UTF-8 (unless the tokenizer takes any bytes), no place to cut in 16 MB, or
// the sink's.
absl::Status EncodeFile(const RandomAccessFile& file, Tokenizer& tokenizer,
                        TokensSink sink);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TEXT_ENCODER_H_
