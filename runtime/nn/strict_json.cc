// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/strict_json.h"

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"

namespace switchyard::internal {
namespace {

using Json = nlohmann::json;

// The objects read here nest once or twice.
constexpr int kMaxDepth = 8;

absl::Status Error(absl::string_view source, absl::string_view sentence) {
  return absl::InvalidArgumentError(absl::StrCat(source, ": ", sentence));
}

std::string PlaceOf(absl::string_view text, size_t byte) {
  const absl::string_view before = text.substr(0, byte > 0 ? byte - 1 : 0);
  size_t line = 1, column = 1;
  for (const char c : before) {
    ++column;
    if (c == '\n') {
      ++line;
      column = 1;
    }
  }
  return absl::StrCat("line ", line, ", column ", column);
}

// Parses the text as one JSON object; finds what nlohmann's parser lets pass:
// keys that stand twice, and nesting without end.
class ObjectParser {
 public:
  ObjectParser(absl::string_view text, absl::string_view source,
               absl::string_view wanted)
      : text_(text), source_(source), wanted_(wanted) {}

  absl::StatusOr<Json> Parse() {
    if (text_.find_first_not_of(" \t\r\n") == absl::string_view::npos) {
      return Error(source_,
                   absl::StrCat("expected a JSON object, found an empty file; "
                                "give ",
                                wanted_));
    }
    // nlohmann's parser would take it for the end of the text.
    const size_t nul = text_.find('\0');
    if (nul != absl::string_view::npos) {
      return Error(source_,
                   absl::StrCat("expected JSON, found a byte of zero at ",
                                PlaceOf(text_, nul + 1),
                                "; the file is damaged or not JSON"));
    }
    Json json;
    try {
      json = Json::parse(
          text_.begin(), text_.end(),
          [this](int depth, Json::parse_event_t event, Json& parsed) {
            return OnEvent(depth, event, parsed);
          });
    } catch (const Json::parse_error& error) {
      return Error(source_,
                   absl::StrCat("expected JSON, found a syntax error at ",
                                PlaceOf(text_, error.byte),
                                "; the file is truncated or not JSON"));
    } catch (const Json::exception&) {
      return Error(source_,
                   "expected finite numbers, found one that no double can "
                   "hold; correct it");
    }
    SWITCHYARD_RETURN_IF_ERROR(status_);
    if (!json.is_object()) {
      return Error(source_, absl::StrCat("expected a JSON object, found ",
                                         json.type_name(), "; give ", wanted_));
    }
    return json;
  }

 private:
  bool OnEvent(int depth, Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key) {
      const std::string& key = parsed.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second) {
        status_.Update(Error(
            source_, absl::StrCat("expected each key once, found \"",
                                  Printable(key), "\" twice; remove one")));
      }
    }
    if (depth > kMaxDepth) {
      status_.Update(Error(
          source_, absl::StrCat("expected at most ", kMaxDepth,
                                " nested levels, found more; give ", wanted_)));
      return false;  // keeps nothing of what is deeper
    }
    return true;
  }

  absl::string_view text_;
  absl::string_view source_;
  absl::string_view wanted_;
  std::vector<std::set<std::string>> keys_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<nlohmann::json> ParseStrictJson(absl::string_view text,
                                               absl::string_view source,
                                               absl::string_view wanted) {
  return ObjectParser(text, source, wanted).Parse();
}

std::string Shown(const nlohmann::json& value) {
  return Printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace switchyard::internal
