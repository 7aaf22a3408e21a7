// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/open_tokenizer.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "switchyard/runtime/data/tokenizers/byte_tokenizer.h"
#include "switchyard/runtime/data/tokenizers/sentence_piece_tokenizer.h"
#include "switchyard/runtime/data/tokenizers/tokenizer_json.h"

namespace switchyard {
namespace {

constexpr char kWanted[] =
    "expected --tokenizer bytes, a tokenizer.json, a SentencePiece .model or a "
    "folder with tokenizer.json or tokenizer.model, found ";

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> OpenTokenizer(
    const std::string& path) {
  namespace fs = std::filesystem;
  if (path == kByteTokenizer) return std::make_unique<ByteTokenizer>();
  std::error_code error;
  const fs::path at(path);
  if (fs::is_directory(at, error)) {
    for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
      if (fs::exists(at / name, error)) return OpenTokenizer(at / name);
    }
    return absl::NotFoundError(
        absl::StrCat(kWanted, path, ", a folder with neither; correct it"));
  }
  if (!fs::exists(at, error)) {
    return absl::NotFoundError(
        absl::StrCat(kWanted, path, ", which does not exist; correct it"));
  }
  if (absl::EndsWith(path, ".json")) return ReadTokenizerJson(path);
  if (absl::EndsWith(path, ".model")) return ReadSentencePieceModel(path);
  return absl::InvalidArgumentError(absl::StrCat(
      kWanted, path, ", whose name ends otherwise; rename or correct it"));
}

absl::Status CheckVocabulary(const Tokenizer& tokenizer, int64_t vocabulary) {
  if (tokenizer.vocabulary() <= vocabulary) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected a tokenizer whose tokens the model has, found ",
      tokenizer.vocabulary(), " of ", tokenizer.name(), " and a vocab_size of ",
      vocabulary, "; use a model with at least as many or another tokenizer"));
}

}  // namespace switchyard
