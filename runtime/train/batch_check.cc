// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/batch_check.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

// What a custom data source may get wrong. Later code takes a batch's word for
// its sizes.
absl::Status CheckBatchSizes(const Batch& batch, const TrainOptions& options) {
  const int64_t sequences = options.micro_batch;
  if (batch.sequences != sequences ||
      batch.sequence_length != options.seq_len ||
      static_cast<int64_t>(batch.sequence_index.size()) != sequences) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a micro-batch must have ", sequences, " sequences of length ",
        options.seq_len, " and an index for each, but the data source gave ",
        batch.sequences, " of length ", batch.sequence_length, " and ",
        batch.sequence_index.size(),
        " indices; it must fill what it is asked "
        "for"));
  }
  const size_t tokens = static_cast<size_t>(sequences * options.seq_len);
  if (batch.ids.size() != tokens || batch.labels.size() != tokens ||
      batch.valid.size() != tokens) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a micro-batch must have ", tokens, " ids, labels and valid marks, ",
        "but the data source gave ", batch.ids.size(), ", ",
        batch.labels.size(), " and ", batch.valid.size()));
  }
  return absl::OkStatus();
}

// Operators would end the process.
absl::Status CheckExperts(const Batch& batch, const ModelConfig& model) {
  const int64_t k = model.experts_per_token;
  const size_t wanted =
      batch.ids.size() * static_cast<size_t>(ExpertLayerCount(model) * k);
  if (!batch.experts.empty() && model.router.type != RouterType::kTokenChoice) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected no replayed experts with \"router_type\" \"",
                     NameOf(model.router.type), "\", found ",
                     batch.experts.size(), "; leave them out"));
  }
  if (!batch.experts.empty() && batch.experts.size() != wanted) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected ", wanted, " replayed experts of a micro-batch or none, ",
        "found ", batch.experts.size(), "; fill them or leave them out"));
  }
  for (size_t i = 0; i < batch.experts.size(); ++i) {
    const int32_t expert = batch.experts[i];
    if (expert < 0 || expert >= model.experts) {
      return absl::InvalidArgumentError(absl::StrCat(
          "expected replayed experts in [0, ", model.experts,
          "), found expert ", expert, "; give the routing of such a model"));
    }
    for (size_t j = i - i % static_cast<size_t>(k); j < i; ++j) {
      if (batch.experts[j] != expert) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "expected distinct replayed experts of a token, found expert ",
          expert, " twice; give the routing of another run"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckBatch(const Batch& batch, const TrainOptions& options) {
  SWITCHYARD_RETURN_IF_ERROR(CheckBatchSizes(batch, options));
  SWITCHYARD_RETURN_IF_ERROR(CheckExperts(batch, options.model));
  const int64_t vocabulary = options.model.vocabulary;
  for (size_t i = 0; i < batch.ids.size(); ++i) {
    const int64_t id = batch.ids[i];
    const int64_t label = batch.labels[i];
    const auto where = [&] {
      const int64_t row = static_cast<int64_t>(i) / batch.sequence_length;
      const int64_t column = static_cast<int64_t>(i) % batch.sequence_length;
      return absl::StrCat("position ", column, " of sequence ",
                          batch.sequence_index[row]);
    };
    if (id < 0 || id >= vocabulary || label >= vocabulary ||
        (label < 0 && label != kNoLabel)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "token ids and labels must be in [0, ", vocabulary, ") or label ",
          kNoLabel, ", but ", where(), " has id ", id, " and label ", label,
          "; use a model with a larger vocab_size or another tokenizer"));
    }
    if (batch.valid[i] > 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          "valid marks must be 1, or 0 for padding, but ", where(), " has ",
          int{batch.valid[i]}, "; correct the data source"));
    }
  }
  return absl::OkStatus();
}

void CountTokens(const Batch& batch, int64_t micro_batch,
                 StepStatistics& statistics) {
  const int64_t labels =
      std::count_if(batch.labels.begin(), batch.labels.end(),
                    [](int32_t label) { return label != kNoLabel; });
  const int64_t valid = std::count(batch.valid.begin(), batch.valid.end(), 1);
  statistics.SetTokens(micro_batch, labels, valid);
}

}  // namespace switchyard
