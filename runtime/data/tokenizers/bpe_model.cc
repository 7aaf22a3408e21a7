// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/tokenizers/bpe_model.h"

#include <algorithm>

namespace switchyard {

void BpeModel::Encode(absl::string_view word, std::vector<int32_t>* tokens) {
  if (word.size() == 1) {
    const auto whole = parts_.words.find(word);
    tokens->push_back(whole != parts_.words.end()
                          ? whole->second
                          : parts_.bytes[static_cast<uint8_t>(word[0])]);
    return;
  }
  const bool keep = word.size() <= kLongestKept;
  if (keep) {
    const auto kept = kept_.find(word);
    if (kept != kept_.end()) {
      const auto begin = kept_tokens_.begin() + kept->second.begin;
      tokens->insert(tokens->end(), begin, begin + kept->second.count);
      return;
    }
  }
  const size_t before = tokens->size();
  const auto whole = parts_.words.find(word);
  if (whole != parts_.words.end()) {
    tokens->push_back(whole->second);
  } else {
    Merge(word, tokens);
  }
  if (keep) Keep(word, tokens->data() + before, tokens->size() - before);
}

void BpeModel::Keep(absl::string_view word, const int32_t* tokens,
                    size_t count) {
  if (kept_.size() == kMostKept) {
    kept_.clear();
    kept_tokens_.clear();
  }
  kept_.emplace(word, Kept{kept_tokens_.size(), count});
  kept_tokens_.insert(kept_tokens_.end(), tokens, tokens + count);
}

namespace {

// Of two candidates the one that is joined later: a heap's top is the first.
constexpr auto kLater = [](const auto& a, const auto& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
};

}  // namespace

void BpeModel::AddCandidate(int32_t left) {
  const Symbol& symbol = symbols_[left];
  if (symbol.next < 0) return;
  const uint64_t pair = PairKey(symbol.token, symbols_[symbol.next].token);
  const auto merge = parts_.merges.find(pair);
  if (merge == parts_.merges.end()) return;
  heap_.push_back({merge->second.rank, left, merge->second.result, pair});
  std::push_heap(heap_.begin(), heap_.end(), kLater);
}

void BpeModel::Join(const Candidate& candidate) {
  Symbol& left = symbols_[candidate.left];
  Symbol& right = symbols_[left.next];
  left.token = candidate.result;
  left.next = right.next;
  if (left.next >= 0) symbols_[left.next].previous = candidate.left;
  right.token = -1;  // of no pair
  if (left.previous >= 0) AddCandidate(left.previous);
  AddCandidate(candidate.left);
}

void BpeModel::Merge(absl::string_view word, std::vector<int32_t>* tokens) {
  const int32_t size = static_cast<int32_t>(word.size());
  symbols_.resize(word.size());
  heap_.clear();
  for (int32_t i = 0; i < size; ++i) {
    symbols_[i] = {parts_.bytes[static_cast<uint8_t>(word[i])], i - 1,
                   i + 1 < size ? i + 1 : -1};
  }
  for (int32_t i = 0; i + 1 < size; ++i) AddCandidate(i);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), kLater);
    const Candidate candidate = heap_.back();
    heap_.pop_back();
    const Symbol& left = symbols_[candidate.left];
    if (left.token >= 0 && left.next >= 0 &&
        PairKey(left.token, symbols_[left.next].token) == candidate.pair) {
      Join(candidate);
    }
  }
  for (int32_t i = 0; i >= 0; i = symbols_[i].next) {
    tokens->push_back(symbols_[i].token);
  }
}

}  // namespace switchyard
