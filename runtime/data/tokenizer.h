// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Text as tokens. Implementations are in tokenizers/; open_tokenizer.h finds
// the one that a file asks for.
#ifndef SWITCHYARD_RUNTIME_DATA_TOKENIZER_H_
#define SWITCHYARD_RUNTIME_DATA_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace switchyard {

// An object is used by one thread at a time: it remembers words.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // For messages.
  virtual const std::string& name() const = 0;
  // Tokens are in [0, vocabulary()); some numbers may be no token.
  virtual int64_t vocabulary() const = 0;
  // Whether Encode takes bytes that are no UTF-8.
  virtual bool takes_any_bytes() const { return false; }

  // Appends the tokens of `text`, without those that mark its beginning or end.
  // An error if the text is not UTF-8 and must be.
  virtual absl::Status Encode(absl::string_view text,
                              std::vector<int32_t>* tokens) = 0;

  // Whether Encode(text) is Encode(text[0, at)) and then Encode(text[at, end)),
  // as far as 512 bytes on both sides of `at` tell. `at` is inside the text and
  // the beginning of a character.
  virtual bool MayCut(absl::string_view text, size_t at) const = 0;

  // The text of tokens, special ones as their names. An error if one is not in
  // the vocabulary.
  virtual absl::StatusOr<std::string> Decode(
      absl::Span<const int32_t> tokens) const = 0;

  // Bytes of text that a token of [0, vocabulary()) stands for: 0 for special
  // tokens and for numbers that are none.
  virtual int64_t TextBytes(int32_t token) const = 0;

  // The special token that is written so.
  virtual std::optional<int32_t> Special(absl::string_view text) const = 0;
  // What ends a document, where the files say it.
  virtual std::optional<int32_t> end_of_text() const = 0;

 protected:
  Tokenizer() = default;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TOKENIZER_H_
