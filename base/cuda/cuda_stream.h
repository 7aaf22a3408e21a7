// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A stream of a GPU. Internal to Switchyard: users meet Stream, and
// from_cuda.h.
#ifndef SWITCHYARD_BASE_CUDA_CUDA_STREAM_H_
#define SWITCHYARD_BASE_CUDA_CUDA_STREAM_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "switchyard/base/cuda/host_staging.h"
#include "switchyard/base/cuda/run_ahead.h"
#include "switchyard/base/stream.h"

namespace switchyard {

class CudaDevice;

class CudaStream : public Stream {
 public:
  // A new one. The work of an urgent one goes before that of others.
  enum class Priority { kNormal, kUrgent };
  explicit CudaStream(CudaDevice& device,
                      Priority priority = Priority::kNormal);
  // The caller's.
  CudaStream(CudaDevice& device, cudaStream_t handle);
  ~CudaStream() override;

  cudaStream_t handle() const { return handle_; }
  CudaDevice& cuda_device() const { return device_; }

  // What kernels/cuda/blas.h keeps for a stream.
  std::shared_ptr<void>& products() { return products_; }

  void Wait() override;

  // For StreamScratch: memory from the device's pool, from this point of the
  // stream until it is returned at a later one. Neither waits for the stream.
  void* TakeScratch(size_t bytes);
  void ReturnScratch(void* data);

  // Before the stream is given a kernel, a copy or the like: waits, looking
  // around, if the host is too far ahead of it (run_ahead.h).
  void MakeRoom();
  // Given where the host must not wait.
  void CountWork(int work);

 protected:
  // A bug: operators give kernels to a GPU's stream, not work of the host.
  void EnqueueLate(std::function<void()> work) override;
  void CopyRows(const TensorView& dst, const ConstTensorView& src) override;
  void CopyBytesToHost(void* dst, const ConstTensorView& src) override;
  void CopyBytesToDevice(const TensorView& dst, const void* src) override;
  void ZeroRows(const TensorView& dst) override;

 private:
  // What arrives in pinned memory and goes on when the stream was waited for.
  struct Arrival {
    void* dst;
    const char* staged;
    size_t bytes;
  };
  template <typename Done>
  void LookAroundUntil(const Done& done);
  template <typename Transfer>
  void InPieces(int64_t byte_count, const Transfer& transfer);

  CudaDevice& device_;
  cudaStream_t handle_ = nullptr;
  const bool owned_;
  RunAhead run_ahead_;
  HostStaging staging_{device_};
  std::vector<Arrival> arrivals_;
  std::shared_ptr<void> products_;
};

// `stream`, which is a CUDA device's, as such; makes its GPU the thread's
// current one.
CudaStream& CudaStreamOf(Stream& stream);

// Of a CUDA device.
std::unique_ptr<Stream> NewUrgentStream(Device& device);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CUDA_CUDA_STREAM_H_
