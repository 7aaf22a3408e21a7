// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Models that generate: small ones of all kinds, their weights, and the logits
// of a forward pass over whole sequences to compare with.
#ifndef SWITCHYARD_TESTS_SUPPORT_GENERATION_RUN_H_
#define SWITCHYARD_TESTS_SUPPORT_GENERATION_RUN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "switchyard/runtime/generate/decoder.h"
#include "switchyard/runtime/generate/generate.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {

struct NamedModel {
  std::string name;
  ModelConfig config;
};
// Every kind of attention, feed-forward network and router that generates.
std::vector<NamedModel> GeneratingModels();

// Weights by name and element, whatever the layout. Norms, biases and what
// else begins at a constant are random too.
void FillWeights(const ParameterStore& store, Stream& stream, uint64_t seed);

// [sequences · length, vocabulary] of one forward pass without a cache.
std::vector<float> FullLogits(const ModelConfig& model, uint64_t seed,
                              absl::Span<const int32_t> ids, int64_t sequences);

// Ids below the vocabulary.
std::vector<int32_t> RandomIds(uint64_t seed, int64_t count,
                               int64_t vocabulary);

struct GeneratedText {
  std::vector<int32_t> tokens;
  std::vector<std::vector<float>> logits;  // that each was chosen from
};
// Generate on the ranks of a layout, which are threads of the test.
absl::StatusOr<GeneratedText> GenerateOn(const Layout& layout,
                                         const ModelConfig& model, DType dtype,
                                         const GenerationRequest& request);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_GENERATION_RUN_H_
