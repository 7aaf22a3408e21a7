// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The `switchyard` command: finds the subcommand.
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/launch/commands/checkpoint.h"
#include "switchyard/launch/commands/convert.h"
#include "switchyard/launch/commands/eval.h"
#include "switchyard/launch/commands/explain.h"
#include "switchyard/launch/commands/generate.h"
#include "switchyard/launch/commands/tokenize.h"
#include "switchyard/launch/commands/train.h"
#include "switchyard/launch/commands/verify_layouts.h"
#include "switchyard/launch/messages.h"
#include "switchyard/launch/version.h"
#include "switchyard/launch/wait_policy.h"
#include "switchyard/launch/world.h"

namespace switchyard::launch {
namespace {

constexpr char kUsage[] =
    "Usage: switchyard <command> [--flag value]...\n"
    "\n"
    "Commands:\n"
    "  train            train a mixture-of-experts language model\n"
    "  checkpoint       list, show or verify checkpoints\n"
    "  verify-layouts   compare a few steps of a run on several layouts, bit "
    "for bit\n"
    "  convert          checkpoints from and to other formats and models\n"
    "  tokenize         write the tokens of text files as one file\n"
    "  generate         write on from a prompt with the model of a checkpoint\n"
    "  eval             loss of a checkpoint's model on a text\n"
    "  explain          what a rule computes, with the numbers of a model\n"
    "\n"
    "switchyard <command> --help lists the flags of a command;\n"
    "switchyard --version tells the version.\n";

// What needs no ranks is said by the first of them.
int Refuse(const std::string& text) {
  if (LauncherRank() == 0) std::fputs(text.c_str(), stderr);
  return 1;
}

// A command that needs no ranks and gives a page.
int PrintPage(const absl::StatusOr<std::string>& page) {
  absl::Status status = page.status();
  if (status.ok() && LauncherRank() == 0) status = WriteOutput(*page);
  if (status.ok()) return 0;
  return Refuse(
      absl::StrCat("switchyard: ", std::string(status.message()), "\n"));
}

// One process does it, however many a launcher has started.
int Tokenize(absl::Span<const std::string> arguments) {
  return LauncherRank() == 0 ? PrintPage(TokenizeFiles(arguments)) : 0;
}

int Main(const std::vector<std::string>& arguments) {
  const std::string command = arguments.empty() ? "" : arguments[0];
  if (command == "train") {
    return Train(absl::MakeConstSpan(arguments).subspan(1));
  }
  if (command == "verify-layouts") {
    return VerifyLayouts(absl::MakeConstSpan(arguments).subspan(1));
  }
  if (command == "tokenize") {
    return Tokenize(absl::MakeConstSpan(arguments).subspan(1));
  }
  if (command == "generate") {
    return Generate(absl::MakeConstSpan(arguments).subspan(1));
  }
  if (command == "eval") {
    return Eval(absl::MakeConstSpan(arguments).subspan(1));
  }
  if (command == "explain") {
    return PrintPage(ExplainPage(absl::MakeConstSpan(arguments).subspan(1)));
  }
  if (command == "convert") {
    if (LauncherRank() != 0) return 0;  // it writes: one process does
    return PrintPage(Convert(absl::MakeConstSpan(arguments).subspan(1)));
  }
  if (command == "checkpoint") {
    return PrintPage(CheckpointPage(absl::MakeConstSpan(arguments).subspan(1)));
  }
  if (command == "--help" || command == "-h" || command == "help") {
    return PrintPage(std::string(kUsage));
  }
  if (command == "--version" || command == "-V" || command == "version") {
    return PrintPage(absl::StrCat("switchyard ", Version(), "\n"));
  }
  if (command.empty()) return Refuse(kUsage);
  const absl::string_view nearest =
      NearestName(command, {"train", "checkpoint", "convert", "generate",
                            "eval", "verify-layouts", "tokenize", "explain",
                            "--help", "--version"});
  return Refuse(absl::StrCat(
      "switchyard: expected a command, found '", Printable(command), "'; ",
      nearest.empty() ? "see switchyard --help\n"
                      : absl::StrCat("the nearest known one is '", nearest,
                                     "' (see switchyard --help)\n")));
}

}  // namespace
}  // namespace switchyard::launch

int main(int argc, char** argv) {
  switchyard::launch::ShortenSpinning(argv);
  return switchyard::launch::Main(
      std::vector<std::string>(argv + 1, argv + argc));
}
