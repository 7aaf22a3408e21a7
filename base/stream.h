// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// An ordered queue of work on one device. Operators enqueue; the host learns a
// result only after Wait. A stream of the plain CPU runs work at once, which is
// one legal order; nobody may rely on it, and the guarded CPU does not do it.
// A CUDA device's (base/cuda/) takes kernels and copies, not work of the host.
#ifndef SWITCHYARD_BASE_STREAM_H_
#define SWITCHYARD_BASE_STREAM_H_

#include <functional>
#include <utility>

#include "switchyard/base/device.h"
#include "switchyard/base/tensor_view.h"

namespace switchyard {

class Stream {
 public:
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Device& device() const { return device_; }

  // Runs `work()` after everything enqueued before. What `work` refers to must
  // live until Wait returns. Does not allocate on a stream that runs at once.
  template <typename Work>
  void Enqueue(Work&& work) {
    if (runs_at_once_) {
      work();
    } else {
      EnqueueLate(std::function<void()>(std::forward<Work>(work)));
    }
  }

  // Returns when all enqueued work has run.
  virtual void Wait() = 0;

  // dst = src, on the device. Same dtype and shape; rows may be strided.
  void Copy(const TensorView& dst, const ConstTensorView& src);
  // Reads `src` (contiguous) into host memory. `dst` is filled after Wait.
  void CopyToHost(void* dst, const ConstTensorView& src);
  // Writes host memory into `dst` (contiguous). `src` may be reused at once.
  void CopyToDevice(const TensorView& dst, const void* src);
  // Sets every byte of `dst` (rows may be strided) to zero.
  void Zero(const TensorView& dst);

 protected:
  Stream(Device& device, bool runs_at_once)
      : device_(device), runs_at_once_(runs_at_once) {}
  virtual void EnqueueLate(std::function<void()> work) = 0;

  // How a device copies; operands are checked and not empty. These are for
  // memory that the host can address.
  virtual void CopyRows(const TensorView& dst, const ConstTensorView& src);
  virtual void CopyBytesToHost(void* dst, const ConstTensorView& src);
  virtual void CopyBytesToDevice(const TensorView& dst, const void* src);
  virtual void ZeroRows(const TensorView& dst);

 private:
  Device& device_;
  const bool runs_at_once_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_STREAM_H_
