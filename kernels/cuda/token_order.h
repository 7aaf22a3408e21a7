// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens sorted by id, for gradients of tables.
#ifndef SWITCHYARD_KERNELS_CUDA_TOKEN_ORDER_H_
#define SWITCHYARD_KERNELS_CUDA_TOKEN_ORDER_H_

#include <cstdint>

#include "switchyard/base/cuda/cuda_stream.h"

namespace switchyard::kernels::cuda {

// order [tokens] = the tokens by ascending id, those of one id in order. An id
// outside [0, rows) ends the process.
void SortTokensById(CudaStream& stream, const int32_t* ids, int64_t tokens,
                    int64_t rows, int32_t* order);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_TOKEN_ORDER_H_
