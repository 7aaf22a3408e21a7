// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/conversions/upcycling.h"

#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/runtime/checkpoint/conversions/converted_weights.h"

namespace switchyard {
namespace {

constexpr char kRoom[] = ".block_sparse_moe.";

bool IsRouter(const std::string& name) {
  return absl::EndsWith(name, ".block_sparse_moe.gate.weight");
}

// The dense model's tensor that an expert's, or any other one, comes from.
std::string SourceOf(const std::string& name, bool gated) {
  const size_t room = name.find(kRoom);
  if (room == std::string::npos) return name;
  const bool down = absl::EndsWith(name, ".w2.weight");
  const bool gate = gated && absl::EndsWith(name, ".w1.weight");
  return absl::StrCat(name.substr(0, room), ".mlp.",
                      down   ? "down_proj"
                      : gate ? "gate_proj"
                             : "up_proj",
                      ".weight");
}

// Adds numbers with the options' deviation to elements [first, ...).
void AddNoise(Stream& stream, const UpcyclingOptions& options,
              const std::string& name, int64_t first,
              std::vector<float>* values) {
  const int64_t count = static_cast<int64_t>(values->size());
  Storage storage(stream.device(), DType::kFloat32, {count});
  kernels::NormalArgs args;
  args.key = MixKey(MixKey(options.seed, "upcycling noise"), name);
  args.first_element = first;
  args.stddev = static_cast<float>(options.noise);
  args.y = storage.View(DType::kFloat32, {count});
  kernels::Normal(stream, args);
  std::vector<float> noise(values->size());
  stream.CopyToHost(noise.data(), args.y);
  stream.Wait();
  for (size_t i = 0; i < noise.size(); ++i) (*values)[i] += noise[i];
}

absl::Status AppendExpert(Stream& stream, ModelWeights& from,
                          const UpcyclingOptions& options,
                          const std::string& name, const std::string& source,
                          const Append& append) {
  const DType dtype = from.dtype(source);
  if (options.noise == 0.0) return from.Copy(source, dtype, append);
  int64_t first = 0;
  std::vector<float> values;
  return from.Copy(
      source, DType::kFloat32, [&](const void* elements, int64_t count) {
        values.resize(static_cast<size_t>(count));
        std::memcpy(values.data(), elements, values.size() * sizeof(float));
        AddNoise(stream, options, name, first, &values);
        first += count;
        return AppendValues(values, dtype, append);
      });
}

// In the words of the command: the config's own check names its keys.
absl::Status CheckExperts(const UpcyclingOptions& options) {
  constexpr int64_t kMostExperts = 4096;  // of a model's config
  if (options.experts < 1 || options.experts > kMostExperts) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --experts between 1 and ", kMostExperts,
                     ", found ", options.experts, "; correct it"));
  }
  if (options.experts_per_token < 1 ||
      options.experts_per_token > options.experts) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --top_k between 1 and the ", options.experts,
                     " of --experts, found ", options.experts_per_token,
                     "; change one of them"));
  }
  // Weights are far smaller than 1; larger noise would leave nothing of them.
  if (!(options.noise >= 0.0 && options.noise <= 1.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --noise between 0 and 1, found ", options.noise,
                     "; correct it"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> UpcycledConfig(const ModelConfig& dense,
                                           const UpcyclingOptions& options) {
  if (ExpertLayerCount(dense) > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a dense model, found one with experts in ",
                     ExpertLayerCount(dense), " of its ", dense.layers,
                     " layers; give a model without experts"));
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckExperts(options));
  if (options.every < 1 || options.every > dense.layers) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected --every between 1 and the model's ",
                     dense.layers, " layers, found ", options.every,
                     "; otherwise no layer would have experts: correct it"));
  }
  ModelConfig config = dense;
  FeedForwardConfig& f = config.feed_forward;
  const int64_t width = DenseWidth(dense);
  if (dense.family == ModelFamily::kLlama ||
      dense.family == ModelFamily::kMistral) {
    config.family = ModelFamily::kMixtral;
  } else if (dense.family == ModelFamily::kQwen3) {
    config.family = ModelFamily::kQwen3Moe;
  }
  const bool tells_both = config.family == ModelFamily::kQwen3Moe;
  config.intermediate_size = width;
  f.dense_intermediate_size = tells_both ? width : 0;
  f.first_k_dense_replace = 0;
  f.moe_layer_freq = 1;
  f.decoder_sparse_step = options.every;
  f.mlp_only_layers.clear();
  config.experts = options.experts;
  config.experts_per_token = options.experts_per_token;
  config.router = RouterConfig();
  config.router.renormalize = options.experts_per_token >= 2;
  SWITCHYARD_RETURN_IF_ERROR(Validate(config, "the upcycled model"));
  return config;
}

absl::Status Upcycle(ModelWeights& from, const UpcyclingOptions& options,
                     const std::string& to) {
  SWITCHYARD_ASSIGN_OR_RETURN(const ModelConfig config,
                              UpcycledConfig(from.config(), options));
  const bool gated = config.feed_forward.activation.gated;
  CpuDevice device;
  const auto stream = device.NewStream();
  return WriteConverted(
      config, options.version, to,
      [&](const ModelTensor& tensor) {
        return IsRouter(tensor.name) ? DType::kFloat32
                                     : from.dtype(SourceOf(tensor.name, gated));
      },
      [&](const ModelTensor& tensor, const Append& append) {
        if (IsRouter(tensor.name)) {
          return AppendInitialValue(*stream, *tensor.parameter, options.seed,
                                    DType::kFloat32, append);
        }
        const std::string source = SourceOf(tensor.name, gated);
        if (source != tensor.name) {
          return AppendExpert(*stream, from, options, tensor.name, source,
                              append);
        }
        return from.Copy(tensor.name, from.dtype(tensor.name), append);
      });
}

}  // namespace switchyard
