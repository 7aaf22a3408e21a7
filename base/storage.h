// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Owns a block of device memory for as long as it lives.
#ifndef SWITCHYARD_BASE_STORAGE_H_
#define SWITCHYARD_BASE_STORAGE_H_

#include <cstddef>
#include <utility>

#include "switchyard/base/device.h"
#include "switchyard/base/tensor_view.h"

namespace switchyard {

class Storage {
 public:
  Storage() = default;
  // Contents are undefined.
  Storage(Device& device, size_t byte_count)
      : device_(&device),
        data_(device.Allocate(byte_count)),
        byte_count_(byte_count) {}
  Storage(Device& device, DType dtype, const Shape& shape)
      : Storage(device,
                static_cast<size_t>(shape.element_count()) * SizeOf(dtype)) {}
  ~Storage() { Reset(); }

  Storage(Storage&& other) noexcept { *this = std::move(other); }
  Storage& operator=(Storage&& other) noexcept {
    if (this != &other) {
      Reset();
      device_ = std::exchange(other.device_, nullptr);
      data_ = std::exchange(other.data_, nullptr);
      byte_count_ = std::exchange(other.byte_count_, 0);
    }
    return *this;
  }

  size_t byte_count() const { return byte_count_; }
  // A view of the elements from `byte_offset` on.
  TensorView View(DType dtype, const Shape& shape, size_t byte_offset = 0) {
    const size_t bytes =
        static_cast<size_t>(shape.element_count()) * SizeOf(dtype);
    SWITCHYARD_CHECK(byte_offset + bytes <= byte_count_)
        << byte_offset << " + " << bytes << " of " << byte_count_;
    return TensorView(static_cast<char*>(data_) + byte_offset, dtype, shape);
  }

 private:
  void Reset() {
    if (device_ != nullptr) device_->Free(data_, byte_count_);
    device_ = nullptr;
    data_ = nullptr;
    byte_count_ = 0;
  }

  Device* device_ = nullptr;
  void* data_ = nullptr;
  size_t byte_count_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_STORAGE_H_
