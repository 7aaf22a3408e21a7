// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Random inputs of attention, and the tensors of both passes.
#ifndef SWITCHYARD_TESTS_UNIT_KERNELS_ATTENTION_TENSORS_H_
#define SWITCHYARD_TESTS_UNIT_KERNELS_ATTENTION_TENSORS_H_

#include <string>

#include "switchyard/kernels/attention.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"
#include "switchyard/tests/unit/kernels/attention_oracle.h"

namespace switchyard::kernels {

inline std::string NameOfCase(const AttentionCase& c, DType dtype) {
  return std::to_string(c.sequences) + " x " + std::to_string(c.length) + ", " +
         std::to_string(c.heads) + "/" + std::to_string(c.kv_heads) +
         " heads of " + std::to_string(c.head_dim) + " " + NameOf(dtype) +
         (c.window > 0 ? ", window " + std::to_string(c.window) : "");
}

// Whether the device under test rounds weights, and their gradients, to bf16
// before it multiplies them: on tensor cores. Each term of the sums then has a
// rounding of its own.
inline bool RoundsWeights(const AttentionCase& c, DType dtype) {
  return testing::TestsCuda() && dtype == DType::kBFloat16 &&
         (c.head_dim == 32 || c.head_dim == 64 || c.head_dim == 128);
}

struct AttentionInputs {
  AttentionInputs(const AttentionCase& c, DType dtype)
      : q(testing::RandomValues(1, c.rows() * c.heads * c.head_dim, -2, 2,
                                dtype)),
        k(testing::RandomValues(2, c.rows() * c.kv_heads * c.head_dim, -2, 2,
                                dtype)),
        v(testing::RandomValues(3, c.rows() * c.kv_heads * c.head_dim, -1, 1,
                                dtype)),
        dout(testing::RandomValues(4, q.size(), -1, 1, dtype)) {}
  Values q, k, v, dout;
};

// The tensors of a forward and a backward pass.
struct AttentionTensors {
  AttentionTensors(Device& device, const AttentionCase& c, DType dtype,
                   const AttentionInputs& in, testing::Layout layout = {})
      : queries({c.rows(), c.heads, c.head_dim}),
        keys({c.rows(), c.kv_heads, c.head_dim}),
        q(device, dtype, queries, in.q, layout),
        k(device, dtype, keys, in.k, layout),
        v(device, dtype, keys, in.v, layout),
        dout(device, dtype, queries, in.dout, layout),
        out(device, dtype, queries, layout),
        logsumexp(device, DType::kFloat32, {c.rows(), c.heads}, layout),
        dq(device, dtype, queries, layout),
        dk(device, dtype, keys, layout),
        dv(device, dtype, keys, layout) {}

  void Forward(Stream& stream, Arena& arena, const AttentionCase& c) {
    Attention(stream, arena,
              {q, k, v, c.length, static_cast<float>(c.scale()), out, logsumexp,
               c.window});
  }
  void Backward(Stream& stream, Arena& arena, const AttentionCase& c) {
    AttentionBackward(stream, arena,
                      {q, k, v, out, logsumexp, dout, c.length,
                       static_cast<float>(c.scale()), dq, dk, dv, c.window});
  }

  Shape queries, keys;
  testing::TestTensor q, k, v, dout, out, logsumexp, dq, dk, dv;
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_UNIT_KERNELS_ATTENTION_TENSORS_H_
