// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Every byte is a token: the vocabulary is 256, any file is text.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BYTE_TOKENIZER_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BYTE_TOKENIZER_H_

#include <optional>
#include <string>
#include <vector>

#include "switchyard/runtime/data/tokenizer.h"

namespace switchyard {

class ByteTokenizer : public Tokenizer {
 public:
  const std::string& name() const override { return name_; }
  int64_t vocabulary() const override { return 256; }
  bool takes_any_bytes() const override { return true; }
  absl::Status Encode(absl::string_view text,
                      std::vector<int32_t>* tokens) override;
  bool MayCut(absl::string_view, size_t) const override { return true; }
  absl::StatusOr<std::string> Decode(
      absl::Span<const int32_t> tokens) const override;
  int64_t TextBytes(int32_t) const override { return 1; }
  std::optional<int32_t> Special(absl::string_view) const override {
    return std::nullopt;
  }
  std::optional<int32_t> end_of_text() const override { return std::nullopt; }

 private:
  const std::string name_ = "bytes";
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZERS_BYTE_TOKENIZER_H_
