// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/token_trie.h"

#include "switchyard/base/check.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

uint64_t Edge(uint32_t node, char byte) {
  return uint64_t{node} << 8 | static_cast<uint8_t>(byte);
}

}  // namespace

void TokenTrie::Add(absl::string_view text, int32_t token) {
  SWITCHYARD_CHECK(!text.empty());
  uint32_t node = 0;
  for (const char byte : text) {
    const auto [edge, is_new] = next_.try_emplace(
        Edge(node, byte), static_cast<uint32_t>(tokens_.size()));
    if (is_new) tokens_.push_back(kNoToken);
    node = edge->second;
  }
  tokens_[node] = token;
  begins_[static_cast<uint8_t>(text[0])] = true;
}

size_t TokenTrie::Longest(absl::string_view text, int32_t* token) const {
  size_t longest = 0;
  uint32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto edge = next_.find(Edge(node, text[i]));
    if (edge == next_.end()) break;
    node = edge->second;
    if (tokens_[node] == kNoToken) continue;
    *token = tokens_[node];
    longest = i + 1;
  }
  return longest;
}

absl::Status TokenTrie::Split(
    absl::string_view text,
    absl::FunctionRef<absl::Status(absl::string_view)> on_text,
    absl::FunctionRef<absl::Status(int32_t)> on_token) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size() && !empty();) {
    int32_t token = kNoToken;
    const size_t bytes = begins_[static_cast<uint8_t>(text[at])]
                             ? Longest(text.substr(at), &token)
                             : 0;
    if (bytes == 0) {
      ++at;
      continue;
    }
    if (at > done) {
      SWITCHYARD_RETURN_IF_ERROR(on_text(text.substr(done, at - done)));
    }
    SWITCHYARD_RETURN_IF_ERROR(on_token(token));
    done = at += bytes;
  }
  return done < text.size() ? on_text(text.substr(done)) : absl::OkStatus();
}

}  // namespace switchyard
