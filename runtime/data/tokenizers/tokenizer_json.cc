// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/tokenizer_json.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/file.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/tokenizers/bpe_tokenizer.h"
#include "switchyard/runtime/data/tokenizers/byte_level.h"
#include "switchyard/runtime/data/tokenizers/json_part.h"
#include "switchyard/runtime/data/tokenizers/json_steps.h"
#include "switchyard/runtime/data/tokenizers/normal_form.h"
#include "switchyard/runtime/nn/strict_json.h"

namespace switchyard {
namespace {

using internal::JsonPart;
using Kind = TokenEntry::Kind;

// The largest files in use have some 30 MB and 300,000 tokens.
constexpr size_t kMostFileBytes = size_t{256} << 20;
constexpr int64_t kMostTokens = int64_t{1} << 22;
// MayCut looks farther.
constexpr size_t kLongestAddedToken = 256;

// Fills the parts of a tokenizer from a file.
class Reader {
 public:
  explicit Reader(const JsonPart& file) : file_(file) {}

  absl::StatusOr<BpeTokenizer::Parts> Read();

 private:
  absl::StatusOr<int32_t> TokenOf(const JsonPart& id);
  absl::Status ReadModel(const JsonPart& model);
  absl::Status ReadVocabulary(const JsonPart& vocabulary);
  absl::Status FindBytes(const JsonPart& vocabulary);
  absl::Status ReadMerges(const JsonPart& merges);
  absl::StatusOr<std::pair<std::string, std::string>> ReadMerge(
      const JsonPart& merge) const;
  absl::StatusOr<int32_t> Known(const JsonPart& merge,
                                const std::string& token) const;
  absl::Status ReadAddedTokens(const JsonPart& tokens);
  absl::Status ReadAddedToken(const JsonPart& token);
  absl::Status Enter(const JsonPart& token, int32_t id, std::string content);

  const JsonPart file_;
  std::vector<TokenEntry> entries_;
  TokenTrie added_, added_normalized_;
  bool normal_form_c_ = false;
  BpeModel::Parts model_;
  // As they are written.
  absl::flat_hash_map<std::string, int32_t> written_;
};

// Room for the token `id`, which nothing has taken yet.
absl::StatusOr<int32_t> Reader::TokenOf(const JsonPart& id) {
  // Larger ones are unsigned or, as text, fractions.
  if (!id.value().is_number_integer() || id.value().get<int64_t>() < 0 ||
      id.value().get<int64_t>() >= kMostTokens) {
    return id.Refuse(absl::StrCat("a whole number below ", kMostTokens),
                     "correct the file");
  }
  const int32_t token = id.value().get<int32_t>();
  if (token >= static_cast<int32_t>(entries_.size())) {
    entries_.resize(static_cast<size_t>(token) + 1);
  }
  return token;
}

absl::Status Reader::ReadVocabulary(const JsonPart& vocabulary) {
  if (!vocabulary.value().is_object()) {
    return vocabulary.Refuse("an object of tokens", "correct the file");
  }
  for (const auto& item : vocabulary.value().items()) {
    const JsonPart part(item.value(), absl::StrCat(vocabulary.place(), ".",
                                                   Printable(item.key())));
    SWITCHYARD_ASSIGN_OR_RETURN(const int32_t token, TokenOf(part));
    TokenEntry& entry = entries_[token];
    if (entry.kind != Kind::kNone) {
      return part.Refuse("a number of its own", "correct the file");
    }
    if (item.key().empty()) return part.Refuse("no empty token", "remove it");
    const auto bytes = BytesOfByteLevel(item.key());
    entry = {Kind::kWord, bytes.value_or(item.key())};
    written_.emplace(item.key(), token);
    if (bytes.has_value()) model_.words.emplace(*bytes, token);
  }
  return FindBytes(vocabulary);
}

absl::Status Reader::FindBytes(const JsonPart& vocabulary) {
  for (int byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    const auto found = model_.words.find(absl::string_view(&text, 1));
    if (found == model_.words.end()) {
      return vocabulary.Refuse(
          absl::StrCat("a token for each byte (as byte-level tokenizers have), "
                       "also for byte ",
                       byte),
          "give another tokenizer or the tokens");
    }
    model_.bytes[byte] = found->second;
  }
  return absl::OkStatus();
}

// "left right" or ["left", "right"].
absl::StatusOr<std::pair<std::string, std::string>> Reader::ReadMerge(
    const JsonPart& merge) const {
  const nlohmann::json& value = merge.value();
  if (value.is_array() && value.size() == 2 && value[0].is_string() &&
      value[1].is_string()) {
    return std::make_pair(value[0].get<std::string>(),
                          value[1].get<std::string>());
  }
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    const size_t space = text.find(' ');
    if (space != std::string::npos &&
        text.find(' ', space + 1) == std::string::npos) {
      return std::make_pair(text.substr(0, space), text.substr(space + 1));
    }
  }
  return merge.Refuse("two tokens, as one string or as a pair",
                      "correct the file");
}

absl::StatusOr<int32_t> Reader::Known(const JsonPart& merge,
                                      const std::string& token) const {
  const auto found = written_.find(token);
  if (found != written_.end()) return found->second;
  return merge.Refuse(absl::StrCat("a merge of tokens that makes a token (no '",
                                   Printable(token), "' is in the vocabulary)"),
                      "correct the file");
}

absl::Status Reader::ReadMerges(const JsonPart& merges) {
  SWITCHYARD_RETURN_IF_ERROR(merges.CheckArray());
  const size_t count = merges.value().size();
  if (count > static_cast<size_t>(kMostTokens)) {
    return merges.Refuse(absl::StrCat("at most ", kMostTokens, " merges"),
                         "give another file");
  }
  model_.merges.reserve(count);
  for (size_t rank = 0; rank < count; ++rank) {
    const JsonPart merge = merges[rank];
    SWITCHYARD_ASSIGN_OR_RETURN(const auto pair, ReadMerge(merge));
    SWITCHYARD_ASSIGN_OR_RETURN(const int32_t left, Known(merge, pair.first));
    SWITCHYARD_ASSIGN_OR_RETURN(const int32_t right, Known(merge, pair.second));
    SWITCHYARD_ASSIGN_OR_RETURN(
        const int32_t result,
        Known(merge, absl::StrCat(pair.first, pair.second)));
    // Of two of a pair the last counts, as where these files come from.
    model_.merges[BpeModel::PairKey(left, right)] = {static_cast<int32_t>(rank),
                                                     result};
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadModel(const JsonPart& model) {
  if (!model["type"].Is("BPE")) {
    return model["type"].Refuse(
        "\"BPE\"",
        "give a SentencePiece model, or tokenize elsewhere and give "
        "the tokens");
  }
  SWITCHYARD_RETURN_IF_ERROR(model.CheckKeys(
      {"type", "dropout", "unk_token", "continuing_subword_prefix",
       "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges",
       "vocab", "merges"}));
  // Nothing is unknown where every byte is a token, so unk_token and fuse_unk
  // do not matter.
  for (const char* key : {"dropout", "continuing_subword_prefix",
                          "end_of_word_suffix", "byte_fallback"}) {
    SWITCHYARD_RETURN_IF_ERROR(model.CheckOff(key));
  }
  SWITCHYARD_RETURN_IF_ERROR(ReadVocabulary(model["vocab"]));
  SWITCHYARD_RETURN_IF_ERROR(ReadMerges(model["merges"]));
  SWITCHYARD_ASSIGN_OR_RETURN(const bool ignore_merges,
                              model.Flag("ignore_merges", false));
  if (!ignore_merges) model_.words.clear();
  return absl::OkStatus();
}

// An added token may also stand in the vocabulary, under the same number.
absl::Status Reader::Enter(const JsonPart& token, int32_t id,
                           std::string content) {
  const auto written = written_.find(content);
  const bool is_known = written != written_.end();
  if (is_known ? written->second != id : entries_[id].kind != Kind::kNone) {
    return token.Refuse("a number and a content that no other token has",
                        "correct the file");
  }
  written_.emplace(content, id);
  SWITCHYARD_ASSIGN_OR_RETURN(const bool special, token.Flag("special", false));
  if (entries_[id].kind > Kind::kWord) {
    return token.Refuse("each added token once", "remove one");
  }
  entries_[id] = {special ? Kind::kSpecial : Kind::kAdded, std::move(content)};
  return absl::OkStatus();
}

absl::Status Reader::ReadAddedToken(const JsonPart& token) {
  SWITCHYARD_RETURN_IF_ERROR(
      token.CheckKeys({"id", "content", "single_word", "lstrip", "rstrip",
                       "normalized", "special"}));
  for (const char* key : {"single_word", "lstrip", "rstrip"}) {
    SWITCHYARD_RETURN_IF_ERROR(token.CheckOff(key));
  }
  SWITCHYARD_ASSIGN_OR_RETURN(std::string content, token["content"].Text());
  if (content.empty() || content.size() > kLongestAddedToken) {
    return token.Refuse(
        absl::StrCat("a content of 1 to ", kLongestAddedToken, " bytes"),
        "correct the file");
  }
  SWITCHYARD_ASSIGN_OR_RETURN(const int32_t id, TokenOf(token["id"]));
  SWITCHYARD_RETURN_IF_ERROR(Enter(token, id, content));
  SWITCHYARD_ASSIGN_OR_RETURN(const bool normalized,
                              token.Flag("normalized", false));
  std::string buffer;
  absl::string_view sought = content;
  if (normalized && normal_form_c_) {
    SWITCHYARD_ASSIGN_OR_RETURN(sought, NormalFormC(content, &buffer));
  }
  (normalized ? added_normalized_ : added_).Add(sought, id);
  return absl::OkStatus();
}

absl::Status Reader::ReadAddedTokens(const JsonPart& tokens) {
  if (tokens.is_null()) return absl::OkStatus();
  SWITCHYARD_RETURN_IF_ERROR(tokens.CheckArray());
  for (size_t i = 0; i < tokens.value().size(); ++i) {
    SWITCHYARD_RETURN_IF_ERROR(ReadAddedToken(tokens[i]));
  }
  return absl::OkStatus();
}

absl::StatusOr<BpeTokenizer::Parts> Reader::Read() {
  SWITCHYARD_RETURN_IF_ERROR(file_.CheckKeys(
      {"version", "truncation", "padding", "added_tokens", "normalizer",
       "pre_tokenizer", "post_processor", "decoder", "model"}));
  for (const char* key : {"truncation", "padding"}) {
    SWITCHYARD_RETURN_IF_ERROR(file_.CheckOff(key));
  }
  SWITCHYARD_ASSIGN_OR_RETURN(normal_form_c_,
                              internal::ReadNormalizer(file_["normalizer"]));
  SWITCHYARD_ASSIGN_OR_RETURN(
      std::vector<PreTokenizer::Step> steps,
      internal::ReadPreTokenizer(file_["pre_tokenizer"]));
  SWITCHYARD_RETURN_IF_ERROR(
      internal::CheckPostProcessor(file_["post_processor"]));
  SWITCHYARD_RETURN_IF_ERROR(internal::CheckDecoder(file_["decoder"]));
  SWITCHYARD_RETURN_IF_ERROR(ReadModel(file_["model"]));
  SWITCHYARD_RETURN_IF_ERROR(ReadAddedTokens(file_["added_tokens"]));
  return BpeTokenizer::Parts{"",
                             std::move(entries_),
                             std::move(added_),
                             std::move(added_normalized_),
                             normal_form_c_,
                             PreTokenizer(std::move(steps)),
                             std::move(model_),
                             std::nullopt};
}

// The content of eos_token in tokenizer_config.json beside the file, which may
// be missing or of any kind.
std::string EndOfText(const std::string& path) {
  const std::string beside =
      std::filesystem::path(path).replace_filename("tokenizer_config.json");
  const auto text = ReadFile(beside, kMostFileBytes);
  if (!text.ok()) return "";
  const auto json = internal::ParseStrictJson(*text, beside, "another file");
  if (!json.ok()) return "";
  JsonPart token = JsonPart(*json, beside)["eos_token"];
  if (token.value().is_object()) token = token["content"];
  return token.value().is_string() ? token.value().get<std::string>() : "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> ReadTokenizerJson(
    const std::string& path) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string text,
                              ReadFile(path, kMostFileBytes));
  SWITCHYARD_ASSIGN_OR_RETURN(
      const nlohmann::json json,
      internal::ParseStrictJson(text, path, "a tokenizer.json"));
  SWITCHYARD_ASSIGN_OR_RETURN(BpeTokenizer::Parts parts,
                              Reader(JsonPart(json, path)).Read());
  parts.name = path;
  const std::string end = EndOfText(path);
  for (size_t i = 0; i < parts.entries.size() && !end.empty(); ++i) {
    const TokenEntry& entry = parts.entries[i];
    if (entry.kind > Kind::kWord && entry.bytes == end) {
      parts.end_of_text = static_cast<int32_t>(i);
    }
  }
  return std::make_unique<BpeTokenizer>(std::move(parts));
}

}  // namespace switchyard
