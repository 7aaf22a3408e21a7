// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/cuda/from_cuda.h"

#include "switchyard/base/check.h"
#include "switchyard/base/cuda/cuda_device_impl.h"
#include "switchyard/base/cuda/cuda_stream.h"

namespace switchyard {

std::unique_ptr<Stream> StreamFromCuda(Device& device, cudaStream_t stream) {
  SWITCHYARD_CHECK(device.kind() == DeviceKind::kCuda) << device.name();
  return std::make_unique<CudaStream>(static_cast<CudaDevice&>(device), stream);
}

}  // namespace switchyard
