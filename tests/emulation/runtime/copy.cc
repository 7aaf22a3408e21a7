// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies and fills. What the kind says must be where the memory is.
#include <cstring>
#include <vector>

#include "emulation/runtime_api.h"
#include "races/race_checks.h"
#include "runtime/errors.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace switchyard::emulation {
namespace {

// Rows of `width` bytes that begin `pitch` bytes after each other.
struct Rows {
  char* address;
  size_t pitch;
  size_t width;
  size_t height;

  size_t span() const { return pitch * (height - 1) + width; }
};

enum class Place { kDevice, kPinned, kPageable };

Place PlaceOf(const void* address) {
  const auto found = Memory::Get().Find(address);
  if (!found) return Place::kPageable;
  return found->kind == MemoryKind::kDevice ? Place::kDevice : Place::kPinned;
}

cudaError_t CheckSide(const std::string& side, const Rows& rows,
                      bool must_be_device, int device) {
  if (must_be_device) {
    const std::string problem =
        CheckDeviceRange(rows.address, rows.span(), device);
    if (problem.empty()) return cudaSuccess;
    return Error(cudaErrorInvalidValue, side + " " + problem);
  }
  const auto found = Memory::Get().Find(rows.address);
  if (!found) return cudaSuccess;  // pageable: nothing is known of it
  if (found->kind == MemoryKind::kDevice) {
    return Error(cudaErrorInvalidValue, side + " is memory of a device");
  }
  if (rows.span() > found->bytes - (rows.address - found->address)) {
    return Error(cudaErrorInvalidValue, side + " ends behind its allocation");
  }
  return cudaSuccess;
}

cudaMemcpyKind Resolve(cudaMemcpyKind kind, Place to, Place from) {
  if (kind != cudaMemcpyDefault) return kind;
  if (to == Place::kDevice) {
    return from == Place::kDevice ? cudaMemcpyDeviceToDevice
                                  : cudaMemcpyHostToDevice;
  }
  return from == Place::kDevice ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost;
}

void CopyRows(const Rows& to, const Rows& from) {
  const std::lock_guard lock(DeviceMutex());
  for (size_t i = 0; i < to.height; ++i) {
    NoteCopy(to.address + i * to.pitch, from.address + i * from.pitch,
             to.width);
    std::memcpy(to.address + i * to.pitch, from.address + i * from.pitch,
                to.width);
  }
}

cudaError_t Overlap(const char* call, const Rows& to, const Rows& from) {
  if (to.address + to.span() <= from.address ||
      from.address + from.span() <= to.address) {
    return cudaSuccess;
  }
  return Error(cudaErrorInvalidValue,
               std::string(call) + ": source and destination overlap");
}

cudaError_t Copy(const char* call, const Rows& to, const Rows& from,
                 cudaMemcpyKind kind, cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckStream(call, stream));
  if (to.width > to.pitch || from.width > from.pitch) {
    return Error(cudaErrorInvalidPitchValue,
                 std::string(call) + ": rows longer than their pitch");
  }
  if (to.width == 0 || to.height == 0) return cudaSuccess;
  const Place to_place = PlaceOf(to.address);
  const Place from_place = PlaceOf(from.address);
  kind = Resolve(kind, to_place, from_place);
  const bool to_device =
      kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device =
      kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const std::string prefix = std::string(call) + ": the ";
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckSide(prefix + "destination", to, to_device, stream->device));
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(
      CheckSide(prefix + "source", from, from_device, stream->device));
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(Overlap(call, to, from));
  if (from_place == Place::kPageable) {
    // The caller may change the source as soon as this returns.
    std::vector<char> staged(from.width * from.height);
    const Rows staging = {staged.data(), from.width, from.width, from.height};
    CopyRows(staging, from);
    SWITCHYARD_EMULATION_RETURN_IF_ERROR(
        Enqueue(stream, call, [to, staged = std::move(staged)]() mutable {
          CopyRows(to, {staged.data(), to.width, to.width, to.height});
        }));
  } else {
    SWITCHYARD_EMULATION_RETURN_IF_ERROR(
        Enqueue(stream, call, [to, from] { CopyRows(to, from); }));
  }
  // A copy to pageable memory is over when the call is.
  if (to_place == Place::kPageable) return Synchronize(stream);
  return cudaSuccess;
}

cudaError_t Fill(const char* call, const Rows& rows, int value,
                 cudaStream_t stream) {
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckStream(call, stream));
  if (rows.width > rows.pitch) {
    return Error(cudaErrorInvalidPitchValue,
                 std::string(call) + ": rows longer than their pitch");
  }
  if (rows.width == 0 || rows.height == 0) return cudaSuccess;
  SWITCHYARD_EMULATION_RETURN_IF_ERROR(CheckSide(
      std::string(call) + ": the address", rows, true, stream->device));
  return Enqueue(stream, call, [rows, value] {
    const std::lock_guard lock(DeviceMutex());
    for (size_t i = 0; i < rows.height; ++i) {
      NoteRange(rows.address + i * rows.pitch, rows.width, AccessKind::kWrite);
      std::memset(rows.address + i * rows.pitch, value, rows.width);
    }
  });
}

Rows MakeRows(const void* address, size_t pitch, size_t width, size_t height) {
  return {static_cast<char*>(const_cast<void*>(address)), pitch, width, height};
}

}  // namespace
}  // namespace switchyard::emulation

using switchyard::emulation::MakeRows;

cudaError_t cudaMemcpyAsync(void* destination, const void* source, size_t bytes,
                            cudaMemcpyKind kind, cudaStream_t stream) {
  return switchyard::emulation::Copy(
      "cudaMemcpyAsync", MakeRows(destination, bytes, bytes, 1),
      MakeRows(source, bytes, bytes, 1), kind, stream);
}

cudaError_t cudaMemcpy2DAsync(void* destination, size_t destination_pitch,
                              const void* source, size_t source_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return switchyard::emulation::Copy(
      "cudaMemcpy2DAsync",
      MakeRows(destination, destination_pitch, width, height),
      MakeRows(source, source_pitch, width, height), kind, stream);
}

cudaError_t cudaMemsetAsync(void* address, int value, size_t bytes,
                            cudaStream_t stream) {
  return switchyard::emulation::Fill(
      "cudaMemsetAsync", MakeRows(address, bytes, bytes, 1), value, stream);
}

cudaError_t cudaMemset2DAsync(void* address, size_t pitch, int value,
                              size_t width, size_t height,
                              cudaStream_t stream) {
  return switchyard::emulation::Fill("cudaMemset2DAsync",
                                     MakeRows(address, pitch, width, height),
                                     value, stream);
}
