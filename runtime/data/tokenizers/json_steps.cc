// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/json_steps.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/tokenizers/pattern_syntax.h"

namespace switchyard::internal {
namespace {

constexpr char kElsewhere[] =
    "tokenize with the program that the file is from and give the tokens";

// That of GPT-2: contractions, letters, numbers, others, each with a space
// before it, and white space.
constexpr char kByteLevelPattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

absl::StatusOr<SplitPattern> CompilePattern(const JsonPart& place,
                                            const std::string& pattern) {
  auto compiled = SplitPattern::Compile(pattern);
  if (compiled.ok()) return compiled;
  return absl::InvalidArgumentError(
      absl::StrCat(place.place(), ": ", compiled.status().message()));
}

absl::StatusOr<SplitPattern> ReadPattern(const JsonPart& pattern) {
  SWITCHYARD_RETURN_IF_ERROR(pattern.CheckKeys({"Regex", "String"}));
  if (pattern.value().size() != 1) {
    return pattern.Refuse("a Regex or a String", "correct the file");
  }
  if (!pattern["String"].is_null()) {
    SWITCHYARD_ASSIGN_OR_RETURN(const std::string text,
                                pattern["String"].Text());
    return CompilePattern(pattern, PatternOfText(text));
  }
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string regex, pattern["Regex"].Text());
  const auto translated = PatternForPcre2(regex);
  if (!translated.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(pattern.place(), ": ", translated.status().message()));
  }
  return CompilePattern(pattern, *translated);
}

absl::StatusOr<PreTokenizer::Step> ReadSplit(const JsonPart& split) {
  SWITCHYARD_RETURN_IF_ERROR(
      split.CheckKeys({"type", "pattern", "behavior", "invert"}));
  if (!split["behavior"].Is("Isolated")) {
    return split["behavior"].Refuse("\"Isolated\"", kElsewhere);
  }
  // Inverting does not matter: what matches and what does not is kept alike.
  SWITCHYARD_RETURN_IF_ERROR(split.Flag("invert", false).status());
  PreTokenizer::Step step;
  SWITCHYARD_ASSIGN_OR_RETURN(step.pattern, ReadPattern(split["pattern"]));
  return step;
}

absl::StatusOr<PreTokenizer::Step> ReadByteLevel(const JsonPart& part) {
  SWITCHYARD_RETURN_IF_ERROR(part.CheckKeys(
      {"type", "add_prefix_space", "trim_offsets", "use_regex"}));
  PreTokenizer::Step step;
  SWITCHYARD_ASSIGN_OR_RETURN(step.add_prefix_space,
                              part.Flag("add_prefix_space", true));
  SWITCHYARD_ASSIGN_OR_RETURN(const bool use_regex,
                              part.Flag("use_regex", true));
  if (!use_regex) return step;
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string pattern,
                              PatternForPcre2(kByteLevelPattern));
  SWITCHYARD_ASSIGN_OR_RETURN(step.pattern, SplitPattern::Compile(pattern));
  return step;
}

// The members of a Sequence under `list`, or the part itself.
absl::StatusOr<std::vector<JsonPart>> Members(const JsonPart& part,
                                              absl::string_view list) {
  std::vector<JsonPart> members;
  if (part.is_null()) return members;
  if (!part["type"].Is("Sequence")) {
    members.push_back(part);
    return members;
  }
  SWITCHYARD_RETURN_IF_ERROR(part.CheckKeys({"type", list}));
  SWITCHYARD_RETURN_IF_ERROR(part[list].CheckArray());
  for (size_t i = 0; i < part[list].value().size(); ++i) {
    members.push_back(part[list][i]);
  }
  return members;
}

}  // namespace

absl::StatusOr<bool> ReadNormalizer(const JsonPart& normalizer) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<JsonPart> members,
                              Members(normalizer, "normalizers"));
  for (const JsonPart& member : members) {
    if (!member["type"].Is("NFC")) {
      return member.Refuse("NFC or no normalizer", kElsewhere);
    }
    SWITCHYARD_RETURN_IF_ERROR(member.CheckKeys({"type"}));
  }
  return !members.empty();
}

absl::StatusOr<std::vector<PreTokenizer::Step>> ReadPreTokenizer(
    const JsonPart& pre_tokenizer) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<JsonPart> members,
                              Members(pre_tokenizer, "pretokenizers"));
  std::vector<PreTokenizer::Step> steps;
  bool ended = false;
  for (const JsonPart& member : members) {
    const JsonPart type = member["type"];
    if (ended || (!type.Is("Split") && !type.Is("ByteLevel"))) {
      return member.Refuse("Split, or ByteLevel at the end", kElsewhere);
    }
    ended = type.Is("ByteLevel");
    SWITCHYARD_ASSIGN_OR_RETURN(
        PreTokenizer::Step step,
        ended ? ReadByteLevel(member) : ReadSplit(member));
    steps.push_back(std::move(step));
  }
  if (ended) return steps;
  return pre_tokenizer.Refuse(
      "ByteLevel at the end, as byte-level tokenizers have",
      "for others give a SentencePiece model or the tokens");
}

absl::Status CheckPostProcessor(const JsonPart& post_processor) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<JsonPart> members,
                              Members(post_processor, "processors"));
  for (const JsonPart& member : members) {
    const JsonPart type = member["type"];
    if (!type.Is("ByteLevel") && !type.Is("TemplateProcessing")) {
      return member.Refuse("ByteLevel or TemplateProcessing", kElsewhere);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckDecoder(const JsonPart& decoder) {
  if (decoder["type"].Is("ByteLevel")) return absl::OkStatus();
  return decoder.Refuse("ByteLevel", kElsewhere);
}

}  // namespace switchyard::internal
