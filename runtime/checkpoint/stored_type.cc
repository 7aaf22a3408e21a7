// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/stored_type.h"

#include <bit>
#include <cstring>

#include "switchyard/base/check.h"

namespace switchyard {
namespace {

struct Entry {
  StoredType type;
  const char* name;
  int size;
};

constexpr Entry kTypes[] = {
    {StoredType::kBool, "BOOL", 1},      {StoredType::kU8, "U8", 1},
    {StoredType::kI8, "I8", 1},          {StoredType::kF8E5M2, "F8_E5M2", 1},
    {StoredType::kF8E4M3, "F8_E4M3", 1}, {StoredType::kI16, "I16", 2},
    {StoredType::kU16, "U16", 2},        {StoredType::kF16, "F16", 2},
    {StoredType::kBF16, "BF16", 2},      {StoredType::kI32, "I32", 4},
    {StoredType::kU32, "U32", 4},        {StoredType::kF32, "F32", 4},
    {StoredType::kF64, "F64", 8},        {StoredType::kI64, "I64", 8},
    {StoredType::kU64, "U64", 8},
};

const Entry& EntryOf(StoredType type) {
  for (const Entry& entry : kTypes) {
    if (entry.type == type) return entry;
  }
  SWITCHYARD_CHECK(false) << static_cast<int>(type);
  return kTypes[0];
}

template <typename T>
T LoadAt(const void* from, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(from) + index * sizeof(T),
              sizeof(T));
  return value;
}

template <typename T>
void StoreAt(T value, void* to, int64_t index) {
  std::memcpy(static_cast<char*>(to) + index * sizeof(T), &value, sizeof(T));
}

float FromBFloat16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

// IEEE binary16. Every one of its numbers is an fp32.
float FromFloat16(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1f;
  const uint32_t fraction = bits & 0x3ff;
  if (exponent == 0x1f) {
    return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  }
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign == 0 ? value : -value;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

// To nearest even; NaN keeps a bit of its fraction.
uint16_t ToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (value != value) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float LoadFloat(StoredType type, const void* source, int64_t i) {
  switch (type) {
    case StoredType::kF16:
      return FromFloat16(LoadAt<uint16_t>(source, i));
    case StoredType::kBF16:
      return FromBFloat16(LoadAt<uint16_t>(source, i));
    case StoredType::kF64:
      return static_cast<float>(LoadAt<double>(source, i));
    default:
      return LoadAt<float>(source, i);
  }
}

}  // namespace

const char* NameOf(StoredType type) { return EntryOf(type).name; }

std::optional<StoredType> StoredTypeOf(absl::string_view name) {
  for (const Entry& entry : kTypes) {
    if (name == entry.name) return entry.type;
  }
  return std::nullopt;
}

int64_t SizeOf(StoredType type) { return EntryOf(type).size; }

StoredType StoredTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return StoredType::kF32;
    case DType::kBFloat16:
      return StoredType::kBF16;
    case DType::kFloat64:
      return StoredType::kF64;
    case DType::kInt32:
      return StoredType::kI32;
    case DType::kInt64:
      return StoredType::kI64;
    case DType::kUInt8:
      return StoredType::kU8;
  }
  return StoredType::kF32;
}

bool ConvertElements(StoredType from, const void* source, DType to,
                     void* result, int64_t count) {
  const bool known = from == StoredType::kF16 || from == StoredType::kBF16 ||
                     from == StoredType::kF32 || from == StoredType::kF64;
  if (!known || (to != DType::kFloat32 && to != DType::kBFloat16)) return false;
  if (from == StoredTypeOf(to)) {
    std::memcpy(result, source, static_cast<size_t>(count * SizeOf(from)));
    return true;
  }
  for (int64_t i = 0; i < count; ++i) {
    const float value = LoadFloat(from, source, i);
    if (to == DType::kFloat32) {
      StoreAt(value, result, i);
    } else {
      StoreAt(ToBFloat16(value), result, i);
    }
  }
  return true;
}

}  // namespace switchyard
