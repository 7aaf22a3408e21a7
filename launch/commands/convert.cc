// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/commands/convert.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/launch/flags/flag_set.h"
#include "switchyard/launch/version.h"
#include "switchyard/runtime/checkpoint/conversions/grouped_query.h"
#include "switchyard/runtime/checkpoint/conversions/upcycling.h"
#include "switchyard/runtime/checkpoint/hugging_face/convert.h"

namespace switchyard::launch {
namespace {

using DTypeChoices = std::vector<std::pair<std::string, std::optional<DType>>>;

// "" is the default, which leaves every tensor in its own.
struct Request {
  std::string from, to;
  std::optional<DType> dtype;
  int64_t shard_bytes = 5'000'000'000;
  bool gives_seed = false;
  GroupedQueryOptions grouped_query;
  UpcyclingOptions upcycling;
};

void AddDType(Request* request, FlagSet* set) {
  set->AddChoice("dtype", &request->dtype,
                 DTypeChoices{{"own", std::nullopt},
                              {"fp32", DType::kFloat32},
                              {"bf16", DType::kBFloat16}},
                 "type of the weights; own: each as it is");
}

void FromHuggingFaceFlags(Request* request, FlagSet* set) {
  AddDType(request, set);
}

void ToHuggingFaceFlags(Request* request, FlagSet* set) {
  AddDType(request, set);
  set->Add("shard_bytes", &request->shard_bytes, "N",
           "most bytes of tensors in a file");
}

void GroupedQueryFlags(Request* request, FlagSet* set) {
  GroupedQueryOptions* options = &request->grouped_query;
  set->Add("kv_heads", &options->kv_heads, "G",
           "heads of keys and values that remain; needed", "none");
  set->AddChoice("method", &options->method,
                 {{"mean", GroupMethod::kMean},
                  {"first", GroupMethod::kFirst},
                  {"random", GroupMethod::kRandom}},
                 "how a group of heads becomes one");
  set->Add("seed", &options->seed, "N", "of --method random");
}

void UpcyclingFlags(Request* request, FlagSet* set) {
  UpcyclingOptions* options = &request->upcycling;
  set->Add("experts", &options->experts, "E", "experts of a layer; needed",
           "none");
  set->Add("top_k", &options->experts_per_token, "K",
           "experts that a token goes to");
  set->Add("every", &options->every, "N",
           "every so many layers, one has experts");
  set->Add("noise", &options->noise, "STD",
           "standard deviation of noise on the experts' weights, 0 to 1");
  set->Add("seed", &options->seed, "N", "of routers and noise");
}

std::string Counted(int64_t count, const char* what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

std::string Wrote(const std::string& to, const ConversionReport& report) {
  return absl::StrCat("wrote ", to, ": ", Counted(report.tensors, "tensor"),
                      ", ", Counted(report.parameters, "parameter"));
}

absl::StatusOr<std::string> RunFromHuggingFace(const Request& request) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      const ConversionReport report,
      FromHuggingFace(request.from, request.to, request.dtype, Version()));
  std::string text = absl::StrCat(Wrote(request.to, report), "\n");
  if (report.untied) {
    absl::StrAppend(&text,
                    "the model ties its head to its embedding: the head is now "
                    "a copy, and will learn for itself\n");
  }
  if (report.widened) {
    absl::StrAppend(&text, "fp16 tensors are fp32 now, without a change\n");
  }
  return text;
}

absl::StatusOr<std::string> RunToHuggingFace(const Request& request) {
  if (request.shard_bytes < 1) {
    return absl::InvalidArgumentError(
        "expected --shard_bytes of 1 or more, found 0; correct it");
  }
  SWITCHYARD_ASSIGN_OR_RETURN(
      const ConversionReport report,
      ToHuggingFace(request.from, request.to, request.dtype,
                    request.shard_bytes));
  return absl::StrCat(Wrote(request.to, report), ", ",
                      Counted(report.files, "file"), "\n");
}

absl::StatusOr<std::string> RunGroupedQuery(const Request& request) {
  if (request.gives_seed &&
      request.grouped_query.method != GroupMethod::kRandom) {
    return absl::InvalidArgumentError(
        "expected --method random with --seed, found a method that draws "
        "nothing; leave --seed out");
  }
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<ModelWeights> weights,
      ModelWeights::Open(request.from, WeightsOf::kMaster));
  GroupedQueryOptions options = request.grouped_query;
  options.version = Version();
  SWITCHYARD_RETURN_IF_ERROR(
      ConvertToGroupedQuery(*weights, options, request.to));
  return absl::StrCat("wrote ", request.to, ": ", weights->config().kv_heads,
                      " heads of keys and values are ", options.kv_heads, "\n");
}

absl::StatusOr<std::string> RunUpcycling(const Request& request) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      const std::unique_ptr<ModelWeights> weights,
      ModelWeights::Open(request.from, WeightsOf::kMaster));
  UpcyclingOptions options = request.upcycling;
  options.version = Version();
  SWITCHYARD_RETURN_IF_ERROR(Upcycle(*weights, options, request.to));
  std::string text = absl::StrCat(
      "wrote ", request.to, ": ", options.experts, " experts in every ",
      options.every == 1 ? std::string("layer")
                         : absl::StrCat(options.every, " layers"),
      "\n");
  if (options.experts_per_token == 1) {
    absl::StrAppend(&text, "with --top_k 1 gates are probabilities, about 1 / ",
                    options.experts,
                    " at first: the model begins worse than the dense one; "
                    "--top_k 2 begins where it is\n");
  }
  return text;
}

struct Conversion {
  const char* name;
  const char* operands;
  const char* summary;
  void (*add_flags)(Request* request, FlagSet* set);
  absl::StatusOr<std::string> (*run)(const Request& request);
};

constexpr Conversion kConversions[] = {
    {"from-hf", "DIR OUT", "a folder of Hugging Face as a checkpoint",
     FromHuggingFaceFlags, RunFromHuggingFace},
    {"to-hf", "IN DIR", "a checkpoint as a folder of Hugging Face",
     ToHuggingFaceFlags, RunToHuggingFace},
    {"gqa", "IN OUT", "a checkpoint with fewer heads of keys and values",
     GroupedQueryFlags, RunGroupedQuery},
    {"upcycle", "IN OUT", "a dense checkpoint as a mixture of experts",
     UpcyclingFlags, RunUpcycling},
};

std::string List() {
  std::string text =
      "Usage: switchyard convert <what> <from> <to> [--flag "
      "value]...\n\nConversions:\n";
  for (const Conversion& conversion : kConversions) {
    absl::StrAppendFormat(&text, "  %-8s %-8s %s\n", conversion.name,
                          conversion.operands, conversion.summary);
  }
  return absl::StrCat(text,
                      "\nswitchyard convert <what> --help lists its flags.\n");
}

bool IsFlag(const std::string& argument) { return argument.rfind('-', 0) == 0; }

absl::StatusOr<const Conversion*> Find(const std::string& name) {
  std::vector<absl::string_view> names;
  for (const Conversion& conversion : kConversions) {
    if (name == conversion.name) return &conversion;
    names.push_back(conversion.name);
  }
  const absl::string_view nearest = NearestName(name, names);
  return absl::InvalidArgumentError(absl::StrCat(
      "expected one of the conversions ", absl::StrJoin(names, ", "),
      ", found '", Printable(name), "'; ",
      nearest.empty() ? "choose one"
                      : absl::StrCat("the nearest is '", nearest, "'")));
}

absl::StatusOr<std::string> RunOne(const Conversion& conversion,
                                   absl::Span<const std::string> arguments) {
  Request request;
  FlagSet flags(absl::StrCat("switchyard convert ", conversion.name, " ",
                             conversion.operands),
                absl::StrCat("Writes ", conversion.summary, "."));
  flags.Group("Flags");
  conversion.add_flags(&request, &flags);
  size_t operands = 0;
  while (operands < arguments.size() && !IsFlag(arguments[operands])) {
    ++operands;
  }
  SWITCHYARD_RETURN_IF_ERROR(flags.Parse(arguments.subspan(operands)));
  if (flags.help_requested()) return flags.Help();
  if (flags.version_requested()) {
    return absl::StrCat("switchyard ", Version(), "\n");
  }
  if (operands != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected two paths after '", conversion.name, "' (",
                     conversion.operands, ") and then flags, found ", operands,
                     "; name what to read and what to write"));
  }
  request.gives_seed = flags.Given("seed");
  request.from = arguments[0];
  request.to = arguments[1];
  return conversion.run(request);
}

}  // namespace

absl::StatusOr<std::string> Convert(absl::Span<const std::string> arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    return List();
  }
  SWITCHYARD_ASSIGN_OR_RETURN(const Conversion* conversion, Find(arguments[0]));
  return RunOne(*conversion, arguments.subspan(1));
}

}  // namespace switchyard::launch
