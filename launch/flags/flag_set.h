// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The flags of one subcommand: names, help and errors of its own. Nothing is
// global and nothing is printed here, so all ranks may parse and one may speak.
//
//   FlagSet flags("switchyard train", "Trains a model.");
//   flags.Group("Optimizer");
//   flags.Add("lr", &options.lr, "X", "peak learning rate");
//   flags.AddChoice("dtype", &options.dtype, {{"fp32", DType::kFloat32}, ...},
//                   "type of weights and activations");
//   SWITCHYARD_RETURN_IF_ERROR(flags.Parse(arguments));
//
// A flag is written --name value or --name=value; a boolean one --name,
// --noname or --name=true. --flagfile PATH reads flags from a file, one a line,
// lines that start with # left out; the command line overrides the file. A flag
// may stand once in each.
#ifndef SWITCHYARD_LAUNCH_FLAGS_FLAG_SET_H_
#define SWITCHYARD_LAUNCH_FLAGS_FLAG_SET_H_

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "switchyard/launch/flags/flag_types.h"

namespace switchyard::launch {

class FlagSet {
 public:
  FlagSet(std::string command, std::string summary);

  // Flags added from here on are listed below `title`.
  void Group(std::string title);

  // `value` holds the default and must outlive the set. The help shows the
  // default unless it is empty; `default_text` replaces it where the value says
  // nothing ("derived from ...").
  template <typename T>
  void Add(std::string name, T* value, std::string placeholder,
           std::string help, std::string default_text = "") {
    AddFlag({std::move(name), std::move(placeholder), std::move(help),
             default_text.empty() ? FlagType<T>::Print(*value)
                                  : std::move(default_text),
             FlagType<T>::kExpected, group_, std::is_same_v<T, bool>,
             in_file_only_,
             [value](absl::string_view text) {
               return FlagType<T>::Parse(text, value);
             },
             [value] { return FlagType<T>::Print(*value); }});
  }

  // Flags added from here on are known in a flagfile and nowhere else, where
  // they go before a flag of the same name: another command may have written
  // the file. No help lists them.
  void InFileOnly() { in_file_only_ = true; }

  // A name that other programs use for the flag `name`: it is not accepted, but
  // answered with that flag.
  void Alias(std::string alias, std::string name);

  // One of several names.
  template <typename T>
  void AddChoice(std::string name, T* value,
                 std::vector<std::pair<std::string, T>> choices,
                 std::string help) {
    std::vector<std::string> names;
    for (const auto& choice : choices) names.push_back(choice.first);
    const auto print = [value, choices] {
      for (const auto& [text, meaning] : choices) {
        if (meaning == *value) return text;
      }
      return std::string();
    };
    AddFlag({std::move(name), JoinNames(names, "|"), std::move(help), print(),
             "one of " + JoinNames(names, ", "), group_, false, in_file_only_,
             [value, choices](absl::string_view given) {
               for (const auto& [text, meaning] : choices) {
                 if (given != text) continue;
                 *value = meaning;
                 return true;
               }
               return false;
             },
             print});
  }

  // Flags of one command line, without the program's and subcommand's names.
  // The first error is returned: an unknown flag (with the nearest known name),
  // one that stands twice, a value that is missing or cannot be read. With
  // --help (-h) or --version (-V) nothing else is looked at.
  absl::Status Parse(absl::Span<const std::string> arguments);

  bool help_requested() const { return help_requested_; }
  bool version_requested() const { return version_requested_; }
  // True if the flag stood on the command line or in the flagfile; not of one
  // that is known in a file only.
  bool Given(absl::string_view name) const;
  // True if it stood on the command line itself.
  bool OnCommandLine(absl::string_view name) const;
  // True if the flag `name` was given and goes against the flag `other`. One of
  // a flagfile does not if `other` stood on the command line: that is how a run
  // is repeated with another schedule, say.
  bool GivenAgainst(absl::string_view name, absl::string_view other) const;

  // True if the file had a flag of this name that is known there only.
  bool InFile(const std::string& name) const {
    return in_file_only_given_.count(name) > 0;
  }
  // All of them, in the order of their names.
  const std::set<std::string>& in_file_only() const {
    return in_file_only_given_;
  }

  std::string Help() const;

  // All flags with their present values, as they are written.
  std::map<std::string, std::string> Values() const;
  // All flags with their present values as a file that --flagfile reads, but
  // for those that are empty or in `without`.
  std::string ToFlagFile(const std::set<std::string>& without) const;

 private:
  struct Flag {
    std::string name;
    std::string placeholder;
    std::string help;
    std::string default_text;
    std::string expected;
    std::string group;
    bool is_bool = false;
    bool in_file_only = false;
    std::function<bool(absl::string_view)> parse;
    std::function<std::string()> print;
  };

  static std::string JoinNames(const std::vector<std::string>& names,
                               const char* separator);

  void AddFlag(Flag flag);
  // In the place that is being read.
  const Flag* Find(absl::string_view name) const;
  absl::Status Unknown(absl::string_view written) const;
  // Reads the flag at arguments[*next] and moves past it. `seen` is what stood
  // before it in the same place.
  absl::Status ParseOne(absl::Span<const std::string> arguments, size_t* next,
                        std::set<std::string>* seen);
  absl::Status ParseAll(absl::Span<const std::string> arguments);
  absl::Status ParseFlagFile(const std::string& path);

  const std::string command_;
  const std::string summary_;
  std::string group_;
  std::string flagfile_;
  std::vector<Flag> flags_;
  std::vector<std::pair<std::string, std::string>> aliases_;
  std::set<std::string> given_;
  std::set<std::string> on_command_line_;
  std::set<std::string> in_file_only_given_;
  bool in_file_only_ = false;
  bool reading_file_ = false;
  bool help_requested_ = false;
  bool version_requested_ = false;
};

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_FLAGS_FLAG_SET_H_
