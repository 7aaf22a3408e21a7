// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "switchyard/runtime/data/tokenizers/tokenizer_json.h"
#include "switchyard/tests/fuzz/memory_file.h"

// What is accepted encodes, and its tokens are its own.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static switchyard::testing::MemoryFile file;
  const auto tokenizer = switchyard::ReadTokenizerJson(file.With(bytes, size));
  if (!tokenizer.ok()) return 0;
  std::vector<int32_t> tokens;
  const std::string text =
      "It's a text, gr\xC3\xB6\xC3\x9F"
      "er e\xCC\x81 12345\n\n  <|endoftext|>x";
  if (!(*tokenizer)->Encode(text, &tokens).ok()) return 0;
  for (const int32_t token : tokens) {
    if (token < 0 || token >= (*tokenizer)->vocabulary()) std::abort();
    (void)(*tokenizer)->TextBytes(token);
  }
  if (!(*tokenizer)->Decode(tokens).ok()) std::abort();
  (void)(*tokenizer)->MayCut(text, 5);
  return 0;
}
