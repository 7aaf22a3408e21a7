// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/cuda/cuda_stream.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "switchyard/base/check.h"
#include "switchyard/base/cuda/cuda_check.h"
#include "switchyard/base/cuda/cuda_device_impl.h"

namespace switchyard {
namespace {

// Of pinned memory that copies under way may hold: when it is full the host
// waits. Only rows through host memory and checkpoints come near it.
constexpr size_t kStagedBytes = size_t{64} << 20;
// Of one copy, so that a large one begins before all of it is staged.
constexpr size_t kPieceBytes = size_t{8} << 20;

// Bytes from one row of a strided view to the next.
size_t PitchOf(const ConstTensorView& view) {
  return static_cast<size_t>(view.row_stride()) * SizeOf(view.dtype());
}

size_t RowBytes(const ConstTensorView& view) {
  return static_cast<size_t>(view.byte_count() / view.dim(0));
}

}  // namespace

CudaStream::CudaStream(CudaDevice& device, Priority priority)
    : Stream(device, /*runs_at_once=*/false), device_(device), owned_(true) {
  device.MakeCurrent();
  int least = 0, greatest = 0;
  SWITCHYARD_CUDA_CHECK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  SWITCHYARD_CUDA_CHECK(cudaStreamCreateWithPriority(
      &handle_, cudaStreamNonBlocking,
      priority == Priority::kUrgent ? greatest : least));
}

CudaStream::CudaStream(CudaDevice& device, cudaStream_t handle)
    : Stream(device, /*runs_at_once=*/false),
      device_(device),
      handle_(handle),
      owned_(false) {
  SWITCHYARD_CHECK(handle != nullptr)
      << "the default stream waits for all others; make one with "
         "cudaStreamCreateWithFlags";
}

CudaStream::~CudaStream() {
  device_.MakeCurrent();
  device_.Rest();
  // Of a run that failed: where copies to the host should go is gone too.
  if (!arrivals_.empty()) cudaStreamSynchronize(handle_);
  products_.reset();  // while the stream is there
  if (owned_) SWITCHYARD_CUDA_CHECK(cudaStreamDestroy(handle_));
}

// Whoever watches may have to end what this would wait for in vain.
template <typename Done>
void CudaStream::LookAroundUntil(const Done& done) {
  while (!done()) {
    device_.LookAround();
    std::this_thread::yield();
  }
}

// Without anyone to look after, the driver may as well wait.
void CudaStream::CountWork(int work) {
  if (device_.watched()) run_ahead_.Count(work);
}

void CudaStream::MakeRoom() {
  CountWork(1);
  if (!run_ahead_.BatchIsFull()) return;
  run_ahead_.EndBatch(handle_);
  LookAroundUntil([&] { return run_ahead_.HasRoom(); });
}

void CudaStream::Wait() {
  device_.MakeCurrent();
  device_.CountWait();
  if (device_.watched()) {
    cudaError_t state = cudaSuccess;
    LookAroundUntil([&] {
      state = cudaStreamQuery(handle_);
      return state != cudaErrorNotReady;
    });
    internal::CheckCuda(state, "cudaStreamQuery, of earlier work", __FILE__,
                        __LINE__);
  }
  SWITCHYARD_CUDA_CHECK(cudaStreamSynchronize(handle_));
  for (const Arrival& arrival : arrivals_) {
    std::memcpy(arrival.dst, arrival.staged, arrival.bytes);
  }
  arrivals_.clear();
  staging_.Reset();
}

void* CudaStream::TakeScratch(size_t bytes) {
  MakeRoom();
  void* data = nullptr;
  const cudaError_t error = cudaMallocAsync(&data, bytes, handle_);
  if (error == cudaErrorMemoryAllocation) device_.EndOutOfMemory(bytes);
  SWITCHYARD_CUDA_CHECK(error);
  return data;
}

void CudaStream::ReturnScratch(void* data) {
  CountWork(1);
  SWITCHYARD_CUDA_CHECK(cudaFreeAsync(data, handle_));
}

void CudaStream::EnqueueLate(std::function<void()> /*work*/) {
  SWITCHYARD_CHECK(false) << "work of the host on a stream of "
                          << device_.name();
}

void CudaStream::CopyRows(const TensorView& dst, const ConstTensorView& src) {
  device_.MakeCurrent();
  MakeRoom();
  if (dst.contiguous() && src.contiguous()) {
    SWITCHYARD_CUDA_CHECK(cudaMemcpyAsync(dst.raw(), src.raw(),
                                          src.byte_count(),
                                          cudaMemcpyDeviceToDevice, handle_));
    return;
  }
  SWITCHYARD_CUDA_CHECK(cudaMemcpy2DAsync(
      dst.raw(), PitchOf(dst), src.raw(), PitchOf(src), RowBytes(src),
      static_cast<size_t>(src.dim(0)), cudaMemcpyDeviceToDevice, handle_));
}

// Calls transfer(offset, bytes, pinned memory for them) for all of a copy.
template <typename Transfer>
void CudaStream::InPieces(int64_t byte_count, const Transfer& transfer) {
  const size_t all = static_cast<size_t>(byte_count);
  for (size_t at = 0; at < all; at += kPieceBytes) {
    const size_t bytes = std::min(all - at, kPieceBytes);
    if (staging_.taken() + bytes > kStagedBytes) Wait();
    MakeRoom();
    transfer(at, bytes, staging_.Take(bytes));
  }
}

void CudaStream::CopyBytesToHost(void* dst, const ConstTensorView& src) {
  device_.MakeCurrent();
  const auto* from = static_cast<const char*>(src.raw());
  InPieces(src.byte_count(), [&](size_t at, size_t bytes, char* staged) {
    arrivals_.push_back({static_cast<char*>(dst) + at, staged, bytes});
    SWITCHYARD_CUDA_CHECK(cudaMemcpyAsync(staged, from + at, bytes,
                                          cudaMemcpyDeviceToHost, handle_));
  });
}

void CudaStream::CopyBytesToDevice(const TensorView& dst, const void* src) {
  device_.MakeCurrent();
  auto* to = static_cast<char*>(dst.raw());
  InPieces(dst.byte_count(), [&](size_t at, size_t bytes, char* staged) {
    std::memcpy(staged, static_cast<const char*>(src) + at, bytes);
    SWITCHYARD_CUDA_CHECK(cudaMemcpyAsync(to + at, staged, bytes,
                                          cudaMemcpyHostToDevice, handle_));
  });
}

void CudaStream::ZeroRows(const TensorView& dst) {
  device_.MakeCurrent();
  MakeRoom();
  if (dst.contiguous()) {
    SWITCHYARD_CUDA_CHECK(
        cudaMemsetAsync(dst.raw(), 0, dst.byte_count(), handle_));
    return;
  }
  SWITCHYARD_CUDA_CHECK(cudaMemset2DAsync(dst.raw(), PitchOf(dst), 0,
                                          RowBytes(dst), dst.dim(0), handle_));
}

CudaStream& CudaStreamOf(Stream& stream) {
  SWITCHYARD_CHECK(stream.device().kind() == DeviceKind::kCuda)
      << "a stream of " << stream.device().name();
  auto& result = static_cast<CudaStream&>(stream);
  result.cuda_device().MakeCurrent();
  return result;
}

std::unique_ptr<Stream> NewUrgentStream(Device& device) {
  SWITCHYARD_CHECK(device.kind() == DeviceKind::kCuda) << device.name();
  return std::make_unique<CudaStream>(static_cast<CudaDevice&>(device),
                                      CudaStream::Priority::kUrgent);
}

}  // namespace switchyard
