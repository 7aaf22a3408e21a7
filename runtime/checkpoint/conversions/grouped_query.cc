// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/conversions/grouped_query.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/conversions/converted_weights.h"

namespace switchyard {
namespace {

// Weights and biases of the projections of keys and values.
bool BelongsToKeysOrValues(const std::string& name) {
  for (const char* part :
       {".self_attn.k_proj.weight", ".self_attn.v_proj.weight",
        ".self_attn.k_proj.bias", ".self_attn.v_proj.bias"}) {
    if (absl::EndsWith(name, part)) return true;
  }
  return false;
}

absl::Status Check(const ModelConfig& config, int64_t kv_heads) {
  if (kv_heads < 1 || config.kv_heads % kv_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --kv_heads to divide the model's ", config.kv_heads,
        " key and value heads, found ", kv_heads, "; choose a divisor"));
  }
  if (config.attention.qk_norm == QkNorm::kFull && kv_heads < config.kv_heads) {
    return absl::InvalidArgumentError(
        "expected a model without \"qk_norm\" \"full\", found one; keys are "
        "normalised over all heads together, and fewer of them would be "
        "another norm: choose a model that normalises each head or none");
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<float> GroupHeads(absl::Span<const float> heads, int64_t before,
                              int64_t after, GroupMethod method) {
  SWITCHYARD_CHECK(after >= 1 && before % after == 0 &&
                   method != GroupMethod::kRandom)
      << before << " " << after;
  const int64_t width = static_cast<int64_t>(heads.size()) / before;
  const int64_t group = method == GroupMethod::kFirst ? 1 : before / after;
  const int64_t step = before / after;
  std::vector<float> result(static_cast<size_t>(after * width));
  for (int64_t g = 0; g < after; ++g) {
    for (int64_t i = 0; i < width; ++i) {
      double sum = 0.0;
      for (int64_t h = 0; h < group; ++h) {
        sum += static_cast<double>(heads[(g * step + h) * width + i]);
      }
      result[g * width + i] =
          static_cast<float>(sum / static_cast<double>(group));
    }
  }
  return result;
}

absl::Status ConvertToGroupedQuery(ModelWeights& from,
                                   const GroupedQueryOptions& options,
                                   const std::string& to) {
  const int64_t before = from.config().kv_heads;
  SWITCHYARD_RETURN_IF_ERROR(Check(from.config(), options.kv_heads));
  ModelConfig config = from.config();
  config.kv_heads = options.kv_heads;
  CpuDevice device;
  const auto stream = device.NewStream();
  return WriteConverted(
      config, options.version, to,
      [&](const ModelTensor& tensor) { return from.dtype(tensor.name); },
      [&](const ModelTensor& tensor, const Append& append) -> absl::Status {
        const DType dtype = from.dtype(tensor.name);
        if (!BelongsToKeysOrValues(tensor.name) || options.kv_heads == before) {
          return from.Copy(tensor.name, dtype, append);
        }
        if (options.method == GroupMethod::kRandom) {
          return AppendInitialValue(*stream, *tensor.parameter, options.seed,
                                    dtype, append);
        }
        SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<float> heads,
                                    from.Read(tensor.name));
        return AppendValues(
            GroupHeads(heads, before, options.kv_heads, options.method), dtype,
            append);
      });
}

}  // namespace switchyard
