// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the modules of a model are given to run with. Modules hold parameters,
// nothing of a step: saved activations are values that point into the arenas,
// scratch is the arenas' too.
#ifndef SWITCHYARD_RUNTIME_NN_EXECUTION_H_
#define SWITCHYARD_RUNTIME_NN_EXECUTION_H_

#include <cstdint>
#include <new>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "switchyard/base/arena.h"
#include "switchyard/base/stream.h"
#include "switchyard/comm/ledger.h"
#include "switchyard/kernels/fixed_point.h"

namespace switchyard {

class DeferredGradients;  // runtime/moe/deferred_gradients.h

// Follows a backward pass, so that gradients are reduced while the layers below
// still compute theirs.
class BackwardListener {
 public:
  virtual ~BackwardListener() = default;
  // Nothing adds to the gradients of parameters number `first` (their
  // Parameter::index) and above any more in this step. All ranks say the same
  // in the same order.
  virtual absl::Status GradientsComplete(int first) = 0;
  // Between operators: lets transfers that are under way go on.
  virtual void Poll() = 0;
};

struct Execution {
  Stream& stream;
  Arena& arena;  // device memory: activations
  // Device memory: what was decided in the forward pass and outlives the
  // activations where those are recomputed.
  Arena& decision_arena;
  Arena& host_arena;  // host memory (of a CpuDevice): tables of the host
  kernels::FixedPoint format;  // of gradient sums
  // Where this rank says what it is doing; may be null.
  comm::Ledger* ledger = nullptr;
  int64_t step = 0;   // the first is 1
  uint64_t seed = 0;  // of everything random (base/philox.h)
  // Of the last backward pass of a step; null in all others.
  BackwardListener* listener = nullptr;
  // Takes weight gradients that can wait; null: none can. Emptied by the end of
  // a backward pass (Transformer::Backward).
  DeferredGradients* deferred = nullptr;
  // Segments of an expert may be one product (kernels::GroupedMatMulArgs).
  bool join_segments = false;
  // Parts in which rows travel to experts and back (moe/token_dispatcher.h).
  int64_t overlap_chunks = 1;

  // For the report of a job that is stuck (comm/ledger.h). `phase` is a string
  // literal.
  void At(int layer, const char* phase) const {
    if (ledger != nullptr) ledger->SetPosition(step, layer, phase);
    Poll();
  }

  void Poll() const {
    if (listener != nullptr) listener->Poll();
  }

  TensorView New(DType dtype, const Shape& shape) const {
    return arena.Allocate(dtype, shape);
  }

  // A table of `count` default values in host memory.
  template <typename T>
  absl::Span<T> NewHost(int64_t count) const {
    static_assert(std::is_trivially_destructible_v<T>);
    const TensorView bytes = host_arena.Allocate(
        DType::kUInt8, {count * static_cast<int64_t>(sizeof(T))});
    T* values = static_cast<T*>(bytes.raw());
    for (int64_t i = 0; i < count; ++i) new (values + i) T();
    return absl::Span<T>(values, static_cast<size_t>(count));
  }
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_EXECUTION_H_
