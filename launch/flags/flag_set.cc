// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/flags/flag_set.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "switchyard/base/check.h"
#include "switchyard/base/file.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"

namespace switchyard::launch {
namespace {

constexpr size_t kMaxFlagFileBytes = size_t{1} << 20;
constexpr size_t kHelpWidth = 79;

absl::Status Error(absl::string_view sentence) {
  return absl::InvalidArgumentError(sentence);
}

// `text` in lines of kHelpWidth, each indented.
std::string Wrap(absl::string_view text, size_t indent) {
  std::string result;
  std::string line(indent, ' ');
  for (const absl::string_view word :
       absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (line.size() + 1 + word.size() > kHelpWidth && line.size() > indent) {
      absl::StrAppend(&result, line, "\n");
      line.assign(indent, ' ');
    }
    absl::StrAppend(&line, line.size() > indent ? " " : "", word);
  }
  return absl::StrCat(result, line, "\n");
}

}  // namespace

FlagSet::FlagSet(std::string command, std::string summary)
    : command_(std::move(command)), summary_(std::move(summary)) {
  Group("General");
  Add("flagfile", &flagfile_, "PATH",
      "read flags from a file, one a line; the command line overrides it");
}

void FlagSet::Group(std::string title) { group_ = std::move(title); }

std::string FlagSet::JoinNames(const std::vector<std::string>& names,
                               const char* separator) {
  return absl::StrJoin(names, separator);
}

void FlagSet::AddFlag(Flag flag) {
  SWITCHYARD_CHECK(flag.in_file_only || Find(flag.name) == nullptr)
      << flag.name;
  flags_.push_back(std::move(flag));
}

const FlagSet::Flag* FlagSet::Find(absl::string_view name) const {
  const Flag* found = nullptr;
  for (const Flag& flag : flags_) {
    if (flag.name != name || (flag.in_file_only && !reading_file_)) continue;
    if (found == nullptr || flag.in_file_only) found = &flag;
  }
  return found;
}

bool FlagSet::Given(absl::string_view name) const {
  return given_.count(std::string(name)) > 0;
}

bool FlagSet::OnCommandLine(absl::string_view name) const {
  return on_command_line_.count(std::string(name)) > 0;
}

bool FlagSet::GivenAgainst(absl::string_view name,
                           absl::string_view other) const {
  return OnCommandLine(name) || (Given(name) && !OnCommandLine(other));
}

void FlagSet::Alias(std::string alias, std::string name) {
  SWITCHYARD_CHECK(Find(name) != nullptr) << name;
  aliases_.emplace_back(std::move(alias), std::move(name));
}

absl::Status FlagSet::Unknown(absl::string_view written) const {
  std::vector<absl::string_view> names;
  // Neither has a meaning in a file.
  if (!reading_file_) names = {"help", "version"};
  for (const Flag& flag : flags_) {
    if (!flag.in_file_only || reading_file_) names.push_back(flag.name);
  }
  for (const auto& [alias, meant] : aliases_) names.push_back(alias);
  absl::string_view name = written;
  while (absl::ConsumePrefix(&name, "-")) {
  }
  const std::string underscored = absl::StrReplaceAll(name, {{"-", "_"}});
  absl::string_view nearest = NearestName(underscored, names);
  for (const auto& [alias, meant] : aliases_) {
    if (nearest == alias) nearest = meant;
  }
  return Error(absl::StrCat(
      "expected flags of ", command_, ", found ", Printable(written),
      nearest.empty() ? "; see --help"
                      : absl::StrCat("; the nearest known one is --", nearest,
                                     " (see --help)")));
}

absl::Status FlagSet::ParseOne(absl::Span<const std::string> arguments,
                               size_t* next, std::set<std::string>* seen) {
  absl::string_view written = arguments[(*next)++];
  absl::string_view name = written;
  if (!absl::ConsumePrefix(&name, "--")) {
    if (absl::StartsWith(written, "-")) return Unknown(written);
    return Error(absl::StrCat("expected flags of ", command_,
                              ", found the word '", Printable(written),
                              "'; write --name=value (see --help)"));
  }
  const size_t equals = name.find('=');
  const bool has_value = equals != absl::string_view::npos;
  absl::string_view value = has_value ? name.substr(equals + 1) : "";
  name = name.substr(0, equals);
  const Flag* flag = Find(name);
  if (flag == nullptr && absl::ConsumePrefix(&name, "no") && !has_value) {
    flag = Find(name);
    if (flag != nullptr && !flag->is_bool) flag = nullptr;
    value = "false";
  } else if (flag != nullptr && flag->is_bool && !has_value) {
    value = "true";
  } else if (flag != nullptr && !has_value) {
    if (*next == arguments.size() || absl::StartsWith(arguments[*next], "--")) {
      return Error(absl::StrCat(
          "expected ", flag->expected, " after --", flag->name, ", found ",
          *next == arguments.size() ? "nothing" : Printable(arguments[*next]),
          "; add the value"));
    }
    value = arguments[(*next)++];
  }
  if (flag == nullptr) return Unknown(written.substr(0, written.find('=')));
  if (!seen->insert(flag->name).second) {
    return Error(absl::StrCat("expected --", flag->name,
                              " once, found it twice; remove one"));
  }
  if (!flag->parse(value)) {
    return Error(absl::StrCat("expected ", flag->expected, " for --",
                              flag->name, ", found '", Printable(value),
                              "'; correct it"));
  }
  return absl::OkStatus();
}

absl::Status FlagSet::ParseAll(absl::Span<const std::string> arguments) {
  std::set<std::string> seen;
  for (size_t next = 0; next < arguments.size();) {
    SWITCHYARD_RETURN_IF_ERROR(ParseOne(arguments, &next, &seen));
  }
  for (const std::string& name : seen) {
    (Find(name)->in_file_only ? in_file_only_given_ : given_).insert(name);
  }
  return absl::OkStatus();
}

absl::Status FlagSet::ParseFlagFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxFlagFileBytes);
  if (!text.ok()) {
    return absl::Status(
        text.status().code(),
        absl::StrCat("expected a file of flags for --flagfile, but ",
                     text.status().message(), "; give another path"));
  }
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || absl::StartsWith(line, "#")) continue;
    // One a line: "--name value" is name and value too.
    const size_t space = line.find_first_of(" \t");
    if (space != absl::string_view::npos && line.find('=') > space) {
      lines.emplace_back(line.substr(0, space));
      lines.emplace_back(absl::StripAsciiWhitespace(line.substr(space)));
    } else {
      lines.emplace_back(line);
    }
  }
  reading_file_ = true;
  const absl::Status status = ParseAll(lines);
  reading_file_ = false;
  if (!status.ok()) {
    return Error(absl::StrCat(Printable(path), ": ", status.message()));
  }
  if (Given("flagfile")) {
    return Error(absl::StrCat(Printable(path),
                              ": expected no --flagfile in a file of flags, "
                              "found one; remove it"));
  }
  return absl::OkStatus();
}

absl::Status FlagSet::Parse(absl::Span<const std::string> arguments) {
  for (const std::string& argument : arguments) {
    help_requested_ |= argument == "--help" || argument == "-h";
    version_requested_ |= argument == "--version" || argument == "-V";
  }
  if (help_requested_ || version_requested_) return absl::OkStatus();
  // Once to find the flagfile and every mistake, once more over its values.
  SWITCHYARD_RETURN_IF_ERROR(ParseAll(arguments));
  on_command_line_ = given_;
  if (!Given("flagfile")) return absl::OkStatus();
  const std::string path = flagfile_;
  given_.erase("flagfile");
  SWITCHYARD_RETURN_IF_ERROR(ParseFlagFile(path));
  return ParseAll(arguments);
}

std::string FlagSet::Help() const {
  std::string text = absl::StrCat("Usage: ", command_, " [--flag value]...\n\n",
                                  Wrap(summary_, 0));
  std::string group;
  for (const Flag& flag : flags_) {
    if (flag.in_file_only) continue;
    if (flag.group != group) {
      group = flag.group;
      absl::StrAppend(&text, "\n", group, ":\n");
      if (&flag == &flags_.front()) {
        absl::StrAppend(&text, "  --help, -h\n      print this\n",
                        "  --version, -V\n      print the version\n");
      }
    }
    absl::StrAppend(&text, "  --", flag.name,
                    flag.is_bool ? "" : absl::StrCat(" ", flag.placeholder),
                    "\n");
    const std::string shown =
        flag.default_text.empty()
            ? flag.help
            : absl::StrCat(flag.help, " (default: ", flag.default_text, ")");
    absl::StrAppend(&text, Wrap(shown, 6));
  }
  return text;
}

std::map<std::string, std::string> FlagSet::Values() const {
  std::map<std::string, std::string> values;
  for (const Flag& flag : flags_) {
    if (flag.name != "flagfile") values[flag.name] = flag.print();
  }
  return values;
}

std::string FlagSet::ToFlagFile(const std::set<std::string>& without) const {
  std::string text;
  for (const Flag& flag : flags_) {
    const std::string value = flag.print();
    if (flag.name == "flagfile" || flag.in_file_only || value.empty() ||
        without.count(flag.name) > 0) {
      continue;
    }
    absl::StrAppend(&text, "--", flag.name, "=", value, "\n");
  }
  return text;
}

}  // namespace switchyard::launch
