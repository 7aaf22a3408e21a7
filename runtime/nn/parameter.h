// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Parameters: what a model learns, by logical name. A parameter's name (Hugging
// Face's), shape and initial value do not depend on the layout; a rank holds
// all of it or nothing (an expert that another rank owns).
//
// Parameters that are reduced over the same ranks and have the same dtype form
// a group and lie one after the other in one block of memory, without gaps, so
// that neighbours can be read as one matrix (query, key and value) and a group
// can be reduced in buckets.
#ifndef SWITCHYARD_RUNTIME_NN_PARAMETER_H_
#define SWITCHYARD_RUNTIME_NN_PARAMETER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/types/span.h"
#include "switchyard/base/storage.h"
#include "switchyard/base/stream.h"
#include "switchyard/kernels/fixed_point.h"
#include "switchyard/runtime/parallel/grid.h"

namespace switchyard {

// What belongs to a layer and is not learned by gradients: fp32, initially 0,
// the same on all ranks. It counts as no parameter, but it is kept with them.
struct StateTensor {
  std::string name;
  Shape shape;
  Storage storage;
  TensorView values;
};

struct Parameter {
  std::string name;
  Shape shape;
  bool is_norm = false;     // initial value 1, no weight decay by default
  bool is_bias = false;     // initial value 0, likewise
  float init_stddev = 0;    // normal initial value of everything else,
  float init_cut = 0;       // cut at so many deviations; 0: not cut
  int expert = -1;          // the expert that it belongs to, or -1
  int index = 0;            // among all logical parameters of the model
  int64_t first_chunk = 0;  // among the norm chunks of all parameters

  // What this rank holds of it; undefined views if another rank owns it.
  bool owned = false;
  int group = 0;
  int64_t group_offset = 0;  // elements before it in its group
  TensorView weight;
  kernels::GradientSum gradient;

  int64_t element_count() const { return shape.element_count(); }
  int64_t chunk_count() const;  // of kernels::kNormChunk elements
};

// Parameters that live and travel together.
struct ParameterGroup {
  const char* name = "";
  comm::Communicator* ranks = nullptr;  // who holds the same parameters
  DType dtype = DType::kFloat32;
  std::vector<const Parameter*> parameters;  // those that this rank owns
  int64_t element_count = 0;
  Storage weight_storage;
  Storage gradient_storage;
  TensorView weights;    // [element_count], dtype
  TensorView gradients;  // [element_count], int64, or fp32 (Gradients)
};

// How matrices begin (FeedForwardConfig::initializer): normal, cut at `cut`
// standard deviations (0: not cut), with the deviation sqrt(scale / in) of a
// matrix [out, in] in place of the declared one (scale 0: the declared one).
struct InitialValueRule {
  float cut = 0.0f;
  double scale = 0.0;
};

// Whether there are sums of gradients, and of which type: int64, whose order
// does not matter, or on a GPU fp32 (kernels::GradientSum).
enum class Gradients { kNo, kYes, kFloat32 };

class ParameterStore {
 public:
  // `dtype` is that of all weights but the router's, which is fp32.
  ParameterStore(const Grid& grid, DType dtype);

  // Of all parameters that are declared afterwards.
  void SetInitialValueRule(const InitialValueRule& rule) { rule_ = rule; }
  // Declares the next parameter in the model's order. An embedding is a matrix
  // that is looked up: no scale replaces its deviation, nor one of 0.
  enum class Kind { kMatrix, kEmbedding, kNorm, kRouter, kBias };
  void Declare(std::string name, const Shape& shape, Kind kind,
               float init_stddev, int expert = -1);
  void DeclareState(std::string name, const Shape& shape);
  // Takes the memory; nothing can be declared after it. Without gradients a
  // model can only go forward: its parameters' views of them are undefined.
  void Allocate(Device& device, Gradients gradients = Gradients::kYes);
  // A parameter that this rank owns, after Allocate.
  const Parameter& Get(const std::string& name) const;
  const StateTensor& GetState(const std::string& name) const;

  // Sets every owned weight to its initial value, a function of (seed, name,
  // element) alone, and every state tensor to 0.
  void Initialize(Stream& stream, uint64_t seed);
  void ZeroGradients(Stream& stream);

  const std::vector<std::unique_ptr<Parameter>>& parameters() const {
    return parameters_;
  }
  // In the order of their declaration.
  const std::vector<std::unique_ptr<StateTensor>>& states() const {
    return states_;
  }
  std::vector<ParameterGroup>& groups() { return groups_; }
  const std::vector<ParameterGroup>& groups() const { return groups_; }
  // int64 [parameters]: refused gradient elements, by Parameter::index.
  const TensorView& refused() const { return refused_; }
  // Norm chunks of all logical parameters, owned here or not.
  int64_t chunk_count() const { return chunk_count_; }
  int64_t element_count() const { return element_count_; }

  // The initial values of elements [begin, begin + out.dim(0)) in fp32.
  static void InitialValue(Stream& stream, const Parameter& parameter,
                           uint64_t seed, int64_t begin, const TensorView& out);

 private:
  float InitialDeviation(const Shape& shape, Kind kind, float declared) const;

  InitialValueRule rule_;
  std::vector<std::unique_ptr<Parameter>> parameters_;
  std::vector<std::unique_ptr<StateTensor>> states_;
  std::vector<ParameterGroup> groups_;
  std::unordered_map<std::string, const Parameter*> by_name_;
  const Grid& grid_;
  Storage refused_storage_;
  TensorView refused_;
  int64_t chunk_count_ = 0;
  int64_t element_count_ = 0;
};

// Matrices of equal width that lie one after the other, as one matrix of all
// their rows.
ConstTensorView Fused(absl::Span<const Parameter* const> parameters);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_PARAMETER_H_
