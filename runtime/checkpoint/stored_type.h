// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Element types of files, by safetensors' names, and the numbers of those that
// weights come in.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_STORED_TYPE_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_STORED_TYPE_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "switchyard/base/dtype.h"

namespace switchyard {

enum class StoredType : uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kF64,
  kI64,
  kU64,
};

// "BOOL", "U8", "F16", ...
const char* NameOf(StoredType type);
std::optional<StoredType> StoredTypeOf(absl::string_view name);
// Bytes of one element.
int64_t SizeOf(StoredType type);

StoredType StoredTypeOf(DType dtype);

// Elements of a file as those of weights: F16, BF16, F32 and F64 to fp32 or
// bf16, rounded once to nearest even. Neither side need be aligned. False if
// `from` is no such type.
bool ConvertElements(StoredType from, const void* source, DType to,
                     void* result, int64_t count);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_STORED_TYPE_H_
