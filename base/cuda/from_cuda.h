// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// For a program that already uses CUDA: a stream of its own as one of
// Switchyard's. Nothing of Switchyard includes this.
#ifndef SWITCHYARD_BASE_CUDA_FROM_CUDA_H_
#define SWITCHYARD_BASE_CUDA_FROM_CUDA_H_

#include <cuda_runtime.h>

#include <memory>

#include "switchyard/base/device.h"
#include "switchyard/base/stream.h"

namespace switchyard {

// `stream`, which must be of `device`'s GPU, not the default one, and live
// longer than the result. It stays the caller's.
std::unique_ptr<Stream> StreamFromCuda(Device& device, cudaStream_t stream);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CUDA_FROM_CUDA_H_
