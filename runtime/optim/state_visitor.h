// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Whatever of a run must survive a restart, as named logical tensors and
// numbers. Names and shapes do not depend on the layout. Who writes a
// checkpoint reads what it is shown, who reads one overwrites it.
//
//   "model.norm.weight"              a weight, by its parameter's name
//   "exp_avg/model.norm.weight"      its first moment, fp32
//   "exp_avg_sq/model.norm.weight"   its second moment, fp32
//   "master/model.norm.weight"       fp32; of weights that are not
//   "...gate.e_score_correction_bias"  a state tensor, by its name, fp32
//   "step", "updates", ...           numbers
#ifndef SWITCHYARD_RUNTIME_OPTIM_STATE_VISITOR_H_
#define SWITCHYARD_RUNTIME_OPTIM_STATE_VISITOR_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "switchyard/base/tensor_view.h"

namespace switchyard {

// A range of a logical tensor that this rank holds.
struct StateSlice {
  std::string name;
  Shape shape;                // of the whole tensor
  int64_t first_element = 0;  // of the range, in row-major order
  TensorView values;          // [elements of the range]
  // Every element of every tensor is owned by exactly one rank: what is owned
  // makes up a checkpoint. Of a weight, which several ranks hold, each is shown
  // all that it holds, since it must read all of it; the owner of an element is
  // the rank whose shard of the optimizer has it. A state tensor is shown to
  // all ranks and owned by rank 0. Moments and masters are held
  // by their owners only.
  bool owned = false;
};

class StateVisitor {
 public:
  virtual ~StateVisitor() = default;
  // A rank is shown no element twice. An error ends the visit.
  virtual absl::Status Visit(const StateSlice& slice) = 0;
  // The same on all ranks; `name` is a string literal.
  virtual absl::Status Visit(const char* name, int64_t* value) = 0;
  virtual absl::Status Visit(const char* name, double* value) = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_OPTIM_STATE_VISITOR_H_
