// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "switchyard/base/check.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/nn/strict_json.h"

namespace switchyard {
namespace {

using Json = nlohmann::json;

constexpr char kMetadata[] = "__metadata__";
constexpr int64_t kLengthBytes = 8;
// Data begins at a multiple of it, as other writers see to.
constexpr size_t kAlignment = 8;

uint64_t LittleEndian(const unsigned char (&bytes)[kLengthBytes]) {
  uint64_t value = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i) value = value << 8 | bytes[i];
  return value;
}

// The value as an int64_t that is not negative.
bool ReadCount(const Json& value, int64_t* count) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) {
    return false;
  }
  *count = value.get<int64_t>();
  return *count >= 0;
}

absl::Status ReadShape(const Json& value, StoredTensor* tensor) {
  if (!value.is_array()) return absl::InvalidArgumentError("no \"shape\"");
  for (const Json& extent : value) {
    int64_t count = 0;
    if (!ReadCount(extent, &count)) {
      return absl::InvalidArgumentError(
          absl::StrCat("an extent of ", internal::Shown(extent)));
    }
    tensor->shape.push_back(count);
  }
  int64_t bytes = SizeOf(tensor->type);
  for (const int64_t extent : tensor->shape) {
    if (extent == 0) return absl::OkStatus();
  }
  for (const int64_t extent : tensor->shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) {
      return absl::InvalidArgumentError("more elements than there can be");
    }
  }
  return absl::OkStatus();
}

// One tensor's entry; the error is what was found.
absl::Status ReadEntry(const Json& entry, StoredTensor* tensor) {
  if (!entry.is_object()) return absl::InvalidArgumentError("no object");
  if (entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets")) {
    return absl::InvalidArgumentError("other keys");
  }
  const Json& dtype = entry["dtype"];
  const std::optional<StoredType> type =
      dtype.is_string() ? StoredTypeOf(dtype.get_ref<const std::string&>())
                        : std::nullopt;
  if (!type) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"dtype\" ", internal::Shown(dtype)));
  }
  tensor->type = *type;
  SWITCHYARD_RETURN_IF_ERROR(ReadShape(entry["shape"], tensor));
  const Json& offsets = entry["data_offsets"];
  int64_t end = 0;
  if (!offsets.is_array() || offsets.size() != 2 ||
      !ReadCount(offsets[0], &tensor->offset) || !ReadCount(offsets[1], &end) ||
      end < tensor->offset) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"data_offsets\" ", internal::Shown(offsets)));
  }
  if (end - tensor->offset != tensor->byte_count()) {
    return absl::InvalidArgumentError(absl::StrCat(
        end - tensor->offset, " bytes for ", NameOf(tensor->type), " ",
        tensor->ShapeText(), ", which takes ", tensor->byte_count()));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t StoredTensor::element_count() const {
  int64_t count = 1;
  for (const int64_t extent : shape) {
    if (extent == 0) return 0;  // the others may be too large to multiply
  }
  for (const int64_t extent : shape) count *= extent;
  return count;
}

std::string StoredTensor::ShapeText() const {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

StoredTensor WholeTensor(std::string name, DType dtype, const Shape& shape) {
  StoredTensor tensor;
  tensor.name = std::move(name);
  tensor.type = StoredTypeOf(dtype);
  for (int i = 0; i < shape.rank(); ++i) tensor.shape.push_back(shape[i]);
  return tensor;
}

absl::Status SafetensorsFile::Error(absl::string_view sentence) const {
  return absl::InvalidArgumentError(
      absl::StrCat(path(), ": ", sentence,
                   "; the file is damaged or no safetensors file: get it "
                   "again"));
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  SWITCHYARD_ASSIGN_OR_RETURN(RandomAccessFile file,
                              RandomAccessFile::Open(path));
  SafetensorsFile result(std::move(file));
  SWITCHYARD_RETURN_IF_ERROR(result.ParseHeader());
  SWITCHYARD_RETURN_IF_ERROR(result.PlaceTensors());
  return result;
}

absl::StatusOr<std::string> SafetensorsFile::ReadHeader() const {
  std::string header(static_cast<size_t>(data_begin_), '\0');
  SWITCHYARD_RETURN_IF_ERROR(file_.Read(0, data_begin_, header.data()));
  return header;
}

absl::Status SafetensorsFile::ParseHeader() {
  if (file_.size() < kLengthBytes) {
    return Error(
        absl::StrCat("expected at least 8 bytes, found ", file_.size()));
  }
  unsigned char length[kLengthBytes];
  SWITCHYARD_RETURN_IF_ERROR(file_.Read(0, kLengthBytes, length));
  const uint64_t header_bytes = LittleEndian(length);
  const uint64_t most = static_cast<uint64_t>(
      std::min(kMaxHeaderBytes, file_.size() - kLengthBytes));
  if (header_bytes > most) {
    return Error(absl::StrCat("expected a header of at most ", most,
                              " bytes, found a length of ", header_bytes));
  }
  data_begin_ = kLengthBytes + static_cast<int64_t>(header_bytes);
  SWITCHYARD_ASSIGN_OR_RETURN(const std::string header, ReadHeader());
  SWITCHYARD_ASSIGN_OR_RETURN(
      const Json json,
      internal::ParseStrictJson(absl::string_view(header).substr(kLengthBytes),
                                absl::StrCat(path(), ", its header"),
                                "a safetensors file"));
  for (const auto& [name, entry] : json.items()) {
    if (name == kMetadata) {
      if (!entry.is_object()) return Error("expected metadata of texts");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) return Error("expected metadata of texts");
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    StoredTensor tensor;
    tensor.name = name;
    const absl::Status status = ReadEntry(entry, &tensor);
    if (!status.ok()) {
      return Error(
          absl::StrCat("expected dtype, shape and data_offsets of tensor \"",
                       Printable(name), "\", found ", status.message()));
    }
    tensors_.push_back(std::move(tensor));
  }
  return absl::OkStatus();
}

absl::Status SafetensorsFile::PlaceTensors() {
  std::stable_sort(tensors_.begin(), tensors_.end(),
                   [](const StoredTensor& a, const StoredTensor& b) {
                     return std::pair(a.offset, a.byte_count()) <
                            std::pair(b.offset, b.byte_count());
                   });
  int64_t next = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    StoredTensor& tensor = tensors_[i];
    if (tensor.offset != next) {
      return Error(absl::StrCat("expected tensor \"", Printable(tensor.name),
                                "\" at byte ", next,
                                " of the data, where the one before it ends, "
                                "found it at ",
                                tensor.offset));
    }
    next += tensor.byte_count();
    if (next > file_.size() - data_begin_) {
      return Error(absl::StrCat("expected ", file_.size() - data_begin_,
                                " bytes of data at most, found tensor \"",
                                Printable(tensor.name), "\" up to byte ",
                                next));
    }
    tensor.offset += data_begin_;
    by_name_[tensor.name] = i;
  }
  if (next != file_.size() - data_begin_) {
    return Error(absl::StrCat("expected ", next, " bytes of data, found ",
                              file_.size() - data_begin_));
  }
  return absl::OkStatus();
}

const StoredTensor* SafetensorsFile::Find(absl::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

absl::Status SafetensorsFile::Read(const StoredTensor& tensor, int64_t first,
                                   int64_t count, void* elements) const {
  SWITCHYARD_CHECK(first >= 0 && count >= 0 &&
                   first <= tensor.element_count() - count)
      << tensor.name << " " << first << " " << count;
  const int64_t size = SizeOf(tensor.type);
  return file_.Read(tensor.offset + first * size, count * size, elements);
}

std::string MakeSafetensorsHeader(
    const std::map<std::string, std::string>& metadata,
    std::vector<StoredTensor>* tensors) {
  Json json = Json::object();
  if (!metadata.empty()) json[kMetadata] = metadata;
  int64_t next = 0;
  for (StoredTensor& tensor : *tensors) {
    tensor.offset = next;
    next += tensor.byte_count();
    json[tensor.name] = {{"dtype", NameOf(tensor.type)},
                         {"shape", tensor.shape},
                         {"data_offsets", {tensor.offset, next}}};
  }
  std::string text = json.dump();
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  SWITCHYARD_CHECK(static_cast<int64_t>(text.size()) <=
                       SafetensorsFile::kMaxHeaderBytes &&
                   json.size() == tensors->size() + (metadata.empty() ? 0 : 1))
      << text.size();
  std::string header;
  for (int i = 0; i < kLengthBytes; ++i) {
    header.push_back(static_cast<char>(text.size() >> (8 * i) & 0xff));
  }
  for (StoredTensor& tensor : *tensors) {
    tensor.offset += kLengthBytes + static_cast<int64_t>(text.size());
  }
  return header + text;
}

}  // namespace switchyard
