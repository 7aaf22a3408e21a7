// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/generate.h"

#include <cstdio>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "switchyard/base/file.h"
#include "switchyard/base/status.h"
#include "switchyard/launch/commands/prompt.h"
#include "switchyard/launch/commands/rank_command.h"
#include "switchyard/launch/commands/saved_model.h"
#include "switchyard/launch/messages.h"
#include "switchyard/runtime/data/open_tokenizer.h"
#include "switchyard/runtime/generate/generate.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard::launch {
namespace {

struct GenerateFlags {
  SavedModelFlags model;
  std::string prompt;
  std::string prompt_file;
  std::string prompt_ids;
  std::string tokenizer;
  int64_t tokens = 100;
  bool echo = true;
  TokenSamplerOptions sampler;
};

void AddFlags(GenerateFlags* flags, FlagSet* set) {
  set->Group("Text");
  AddCheckpointFlag(&flags->model, set);
  set->Add("prompt", &flags->prompt, "TEXT", "what the text begins with");
  set->Add("prompt_file", &flags->prompt_file, "FILE",
           "the same from a file, line breaks and all");
  set->Add("prompt_ids", &flags->prompt_ids, "ID[,ID]",
           "the same as token ids; ids are printed then");
  AddTokenizerFlag(&flags->tokenizer, set);
  set->Add("tokens", &flags->tokens, "N", "how many to write");
  set->Add("echo", &flags->echo, "", "print the prompt's text too");
  set->Group("Sampling");
  set->Add("temperature", &flags->sampler.temperature, "X",
           "divides the logits; 0: the most likely token each time");
  set->Add("top_k", &flags->sampler.top_k, "K",
           "of the K most likely tokens alone; 0: of all");
  set->Add("top_p", &flags->sampler.top_p, "P",
           "of the fewest tokens that reach this probability together");
  set->Add("seed", &flags->sampler.seed, "S",
           "of the choices; the same text on every layout");
  AddRankFlags(&flags->model, set);
}

// One of the ways to give a prompt.
absl::Status CheckPrompt(const FlagSet& set) {
  std::vector<std::string> given;
  for (const char* name : {"prompt", "prompt_file", "prompt_ids"}) {
    if (set.Given(name)) given.push_back(absl::StrCat("--", name));
  }
  if (given.size() == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected one of --prompt, --prompt_file and --prompt_ids, found ",
      given.empty() ? "none; give one" : absl::StrJoin(given, " and "),
      given.empty() ? "" : "; leave one out"));
}

// That of --prompt_file on every rank; rank 0 reads it.
absl::Status ReadPrompt(GenerateFlags& flags, comm::Communicator& world) {
  if (flags.prompt_file.empty()) return absl::OkStatus();
  constexpr size_t kMostBytes = size_t{1} << 26;
  absl::StatusOr<std::string> text = std::string();
  if (world.rank() == 0) text = ReadFile(flags.prompt_file, kMostBytes);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, text.status()));
  SWITCHYARD_ASSIGN_OR_RETURN(flags.prompt, TextOfRankZero(world, *text));
  return absl::OkStatus();
}

// Without a tokenizer, of ids.
absl::StatusOr<GenerationRequest> MakeRequest(const GenerateFlags& flags,
                                              Tokenizer* tokenizer,
                                              const ModelConfig& model) {
  GenerationRequest request;
  SWITCHYARD_ASSIGN_OR_RETURN(
      request.prompt,
      tokenizer != nullptr
          ? EncodePrompt(flags.prompt, *tokenizer, model.vocabulary)
          : ParsePromptIds(flags.prompt_ids));
  request.tokens = flags.tokens;
  request.sampler = flags.sampler;
  SWITCHYARD_RETURN_IF_ERROR(Validate(request, model));
  return request;
}

absl::Status WriteToken(TokenPrinter& printer, int32_t token) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string text, printer.Append(token));
  return WriteOutput(text);
}

absl::Status WritePrompt(TokenPrinter& printer,
                         const std::vector<int32_t>& prompt, bool echo) {
  for (const int32_t id : prompt) {
    SWITCHYARD_ASSIGN_OR_RETURN(const std::string text, printer.Append(id));
    if (echo) SWITCHYARD_RETURN_IF_ERROR(WriteOutput(text));
  }
  return absl::OkStatus();
}

// Rank 0 prints.
absl::Status WriteText(Decoder& decoder, const GenerationRequest& request,
                       const Tokenizer* tokenizer, bool echo,
                       comm::Communicator& world) {
  TokenPrinter printer(tokenizer);
  absl::Status begun;
  if (world.rank() == 0 && tokenizer != nullptr) {
    begun = WritePrompt(printer, request.prompt, echo);
  }
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, begun));
  SWITCHYARD_RETURN_IF_ERROR(switchyard::Generate(
      decoder, world, request,
      [&](int32_t token) { return WriteToken(printer, token); }));
  return AgreeOnStatus(world, world.rank() == 0 ? WriteOutput(printer.Finish())
                                                : absl::OkStatus());
}

absl::Status Execute(GenerateFlags flags, const FlagSet& set,
                     comm::Communicator& world) {
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, CheckPrompt(set)));
  SWITCHYARD_RETURN_IF_ERROR(ReadPrompt(flags, world));
  SWITCHYARD_ASSIGN_OR_RETURN(SavedModel model,
                              OpenSavedModel(flags.model, world));
  std::unique_ptr<Tokenizer> tokenizer;
  if (!set.Given("prompt_ids")) {
    auto opened = OpenTokenizer(TokenizerOf(model, flags.tokenizer));
    SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, opened.status()));
    tokenizer = *std::move(opened);
  }
  const auto request = MakeRequest(flags, tokenizer.get(), model.config);
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, request.status()));
  DecoderOptions options;
  options.model = model.config;
  options.dtype = model.dtype;
  options.sequences = GeneratedSequences(world);
  options.max_length =
      static_cast<int64_t>(request->prompt.size()) + request->tokens;
  SWITCHYARD_RETURN_IF_ERROR(AgreeOnStatus(world, Validate(options)));
  SWITCHYARD_ASSIGN_OR_RETURN(const RankDevice device,
                              PrepareRank(flags.model, world));
  SWITCHYARD_ASSIGN_OR_RETURN(const Grid grid,
                              MakeGrid(flags.model, model.config, world));
  SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<Decoder> decoder,
                              Decoder::Create(options, grid, *device));
  SWITCHYARD_RETURN_IF_ERROR(
      LoadWeights(model, decoder->store(), decoder->stream(), world));
  return WriteText(*decoder, *request, tokenizer.get(), flags.echo, world);
}

}  // namespace

int Generate(absl::Span<const std::string> arguments) {
  GenerateFlags flags;
  FlagSet set("switchyard generate",
              "Writes on from a prompt with the model of a checkpoint.");
  AddFlags(&flags, &set);
  return RunOnRanks(
      set, arguments, flags.model.comm_timeout,
      [&](comm::Communicator& world) { return Execute(flags, set, world); });
}

}  // namespace switchyard::launch
