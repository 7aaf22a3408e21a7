// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/tokenize.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/number_text.h"
#include "switchyard/base/random_access_file.h"
#include "switchyard/base/status.h"
#include "switchyard/launch/flags/flag_set.h"
#include "switchyard/launch/version.h"
#include "switchyard/runtime/data/open_tokenizer.h"
#include "switchyard/runtime/data/text_encoder.h"
#include "switchyard/runtime/data/token_writer.h"

namespace switchyard::launch {
namespace {

void AddFlags(TokenizeFlags* flags, FlagSet* set) {
  set->Group("Tokens");
  set->Add("tokenizer", &flags->tokenizer, "bytes|PATH",
           "tokenizer.json, a SentencePiece .model or a folder that holds "
           "tokenizer.json or tokenizer.model");
  set->Add("data", &flags->data, "FILE[,FILE]",
           "text, each file a document, in this order");
  set->Add("out", &flags->out, "FILE",
           "new file for the tokens; of megatron PATH.bin and PATH.idx");
  set->AddChoice("format", &flags->format,
                 {{"u16", DataFormat::kU16},
                  {"u32", DataFormat::kU32},
                  {"llmc", DataFormat::kLlmc},
                  {"megatron", DataFormat::kMegatron}},
                 "of --out: tokens of 2 or 4 bytes alone, llm.c's or "
                 "Megatron's");
  set->Add("append_eos", &flags->append_eos, "",
           "put the token that ends a document after each file");
  set->Add("eos_token", &flags->eos_token, "TEXT",
           "the special token of --append_eos", "the tokenizer's");
  set->Alias("input", "data");
  set->Alias("output", "out");
  set->Alias("output_prefix", "out");
  set->Alias("append_eod", "append_eos");
  set->Alias("tokenizer_model", "tokenizer");
}

absl::StatusOr<std::optional<int32_t>> EndOfText(const TokenizeFlags& flags,
                                                 const Tokenizer& tokenizer) {
  if (!flags.append_eos) return std::optional<int32_t>();
  const std::optional<int32_t> end = flags.eos_token.empty()
                                         ? tokenizer.end_of_text()
                                         : tokenizer.Special(flags.eos_token);
  if (end.has_value()) return end;
  if (flags.eos_token.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a tokenizer that says what ends a document with "
        "--append_eos, found none in ",
        tokenizer.name(),
        "; give --eos_token with one of its special tokens, or leave "
        "--append_eos out"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "expected --eos_token that is a special token of ", tokenizer.name(),
      ", found '", Printable(flags.eos_token), "'; correct it"));
}

class Tokenization {
 public:
  Tokenization(std::unique_ptr<Tokenizer> tokenizer,
               std::unique_ptr<TokenWriter> writer, std::optional<int32_t> end)
      : tokenizer_(std::move(tokenizer)),
        writer_(std::move(writer)),
        end_(end) {}

  absl::Status Add(const std::string& path) {
    auto file = RandomAccessFile::Open(path);
    if (!file.ok()) {
      return absl::Status(
          file.status().code(),
          absl::StrCat("expected a file of text that can be read, but ",
                       file.status().message(), "; give another file"));
    }
    SWITCHYARD_RETURN_IF_ERROR(
        EncodeFile(*file, *tokenizer_, [&](absl::Span<const int32_t> tokens) {
          return writer_->Append(tokens);
        }));
    bytes_ += file->size();
    text_tokens_ = writer_->tokens() - ends_;
    if (end_.has_value()) {
      const int32_t end = *end_;
      ++ends_;
      SWITCHYARD_RETURN_IF_ERROR(writer_->Append({&end, 1}));
    }
    return writer_->EndDocument();
  }

  absl::StatusOr<std::string> Finish() {
    SWITCHYARD_RETURN_IF_ERROR(writer_->Finish());
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_)
            .count();
    const double bytes = static_cast<double>(bytes_);
    const double tokens = static_cast<double>(text_tokens_);
    return absl::StrFormat(
        "%s tokens of %s in %s\n%.3f bytes a token, vocabulary %s, %.1f s, "
        "%.1f MB/s\n",
        GroupedText(writer_->tokens()), ByteText(bytes_),
        absl::StrJoin(writer_->paths(), " and "),
        tokens > 0 ? bytes / tokens : 0.0,
        GroupedText(tokenizer_->vocabulary()), seconds,
        bytes / 1e6 / (seconds > 0 ? seconds : 1));
  }

 private:
  const std::unique_ptr<Tokenizer> tokenizer_;
  const std::unique_ptr<TokenWriter> writer_;
  const std::optional<int32_t> end_;
  const std::chrono::steady_clock::time_point start_ =
      std::chrono::steady_clock::now();
  int64_t bytes_ = 0;
  int64_t text_tokens_ = 0;
  int64_t ends_ = 0;
};

}  // namespace

absl::StatusOr<TokenizeFlags> ParseTokenizeFlags(
    absl::Span<const std::string> arguments) {
  TokenizeFlags flags;
  FlagSet set("switchyard tokenize",
              "Writes the tokens of text files as one file that switchyard "
              "train and other trainers read.");
  AddFlags(&flags, &set);
  SWITCHYARD_RETURN_IF_ERROR(set.Parse(arguments));
  if (set.help_requested()) flags.help = set.Help();
  if (set.version_requested()) {
    flags.help = absl::StrCat("switchyard ", Version(), "\n");
  }
  if (!flags.help.empty()) return flags;
  const struct {
    const char* name;
    const char* what;
  } required[] = {{"tokenizer", "a tokenizer.json, a .model file or bytes"},
                  {"data", "a file of text"},
                  {"out", "a new file"}};
  for (const auto& [name, what] : required) {
    if (set.Given(name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("expected --", name, ", found none; give ", what));
  }
  if (set.Given("eos_token") && !flags.append_eos) {
    return absl::InvalidArgumentError(
        "expected --append_eos with --eos_token, found none; give both or "
        "leave --eos_token out");
  }
  return flags;
}

absl::StatusOr<std::string> TokenizeFiles(
    absl::Span<const std::string> arguments) {
  SWITCHYARD_ASSIGN_OR_RETURN(const TokenizeFlags flags,
                              ParseTokenizeFlags(arguments));
  if (!flags.help.empty()) return flags.help;
  SWITCHYARD_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer,
                              OpenTokenizer(flags.tokenizer));
  SWITCHYARD_ASSIGN_OR_RETURN(const std::optional<int32_t> end,
                              EndOfText(flags, *tokenizer));
  SWITCHYARD_ASSIGN_OR_RETURN(
      std::unique_ptr<TokenWriter> writer,
      TokenWriter::Create(flags.out, flags.format, tokenizer->vocabulary()));
  Tokenization run(std::move(tokenizer), std::move(writer), end);
  for (const std::string& path : flags.data) {
    SWITCHYARD_RETURN_IF_ERROR(run.Add(path));
  }
  return run.Finish();
}

}  // namespace switchyard::launch
