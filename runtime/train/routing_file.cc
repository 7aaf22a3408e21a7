// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/routing_file.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace switchyard {
namespace {

constexpr char kMagic[] = "SYROUTES";
constexpr int64_t kMagicBytes = 8;
constexpr uint32_t kVersion = 1;
constexpr uint32_t kByteOrder = 0x01020304;
// Magic, version, byte order, five sizes, length of the model.
constexpr int64_t kFixedBytes = kMagicBytes + 4 + 4 + 6 * 8;
constexpr int64_t kMaxSize = int64_t{1} << 31;

template <typename T>
void Append(T value, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T At(absl::string_view bytes, int64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

int64_t Padded(int64_t byte_count) { return (byte_count + 7) / 8 * 8; }

absl::Status Error(absl::string_view sentence) {
  return absl::InvalidArgumentError(sentence);
}

absl::Status CheckSizes(const RoutingSizes& sizes) {
  for (const int64_t size : {sizes.layers, sizes.experts, sizes.choices,
                             sizes.tokens, sizes.micro_batches}) {
    if (size < 1 || size > kMaxSize) {
      return Error(absl::StrCat("expected sizes of at least 1, found ", size));
    }
  }
  return absl::OkStatus();
}

}  // namespace

RoutingSizes RoutingSizes::Of(const TrainOptions& options) {
  RoutingSizes sizes;
  sizes.layers = ExpertLayerCount(options.model);
  sizes.experts = options.model.experts;
  sizes.choices = options.model.experts_per_token;
  sizes.tokens = options.micro_batch * options.seq_len;
  sizes.micro_batches = options.global_batch / options.micro_batch;
  return sizes;
}

uint64_t RoutingChecksum(const void* data, int64_t byte_count) {
  const char* bytes = static_cast<const char*>(data);
  uint64_t hash = 0x9E3779B97F4A7C15u;
  for (int64_t at = 0; at < byte_count; at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes + at, sizeof(word));
    hash = (hash ^ word) * 0xBF58476D1CE4E5B9u;
    hash ^= hash >> 32;
  }
  return hash;
}

std::string EncodeRoutingHeader(const RoutingHeader& header) {
  std::string bytes(kMagic, kMagicBytes);
  Append(kVersion, &bytes);
  Append(kByteOrder, &bytes);
  const RoutingSizes& sizes = header.sizes;
  for (const int64_t size : {sizes.layers, sizes.experts, sizes.choices,
                             sizes.tokens, sizes.micro_batches}) {
    Append(size, &bytes);
  }
  Append(static_cast<int64_t>(header.model.size()), &bytes);
  bytes += header.model;
  bytes.resize(Padded(static_cast<int64_t>(bytes.size())));
  Append(RoutingChecksum(bytes.data(), static_cast<int64_t>(bytes.size())),
         &bytes);
  return bytes;
}

absl::StatusOr<ParsedRoutingHeader> ParseRoutingHeader(
    absl::string_view bytes) {
  const int64_t length = static_cast<int64_t>(bytes.size());
  if (length < kFixedBytes ||
      bytes.substr(0, kMagicBytes) != absl::string_view(kMagic)) {
    return Error("expected a file of --routing_trace, found something else");
  }
  const uint32_t version = At<uint32_t>(bytes, kMagicBytes);
  if (At<uint32_t>(bytes, kMagicBytes + 4) != kByteOrder) {
    return Error("expected little-endian numbers, found others");
  }
  if (version != kVersion) {
    return Error(
        absl::StrCat("expected version ", kVersion, ", found ", version));
  }
  ParsedRoutingHeader parsed;
  RoutingSizes& sizes = parsed.header.sizes;
  int64_t offset = kMagicBytes + 8;
  for (int64_t* size : {&sizes.layers, &sizes.experts, &sizes.choices,
                        &sizes.tokens, &sizes.micro_batches}) {
    *size = At<int64_t>(bytes, offset);
    offset += 8;
  }
  const int64_t model_bytes = At<int64_t>(bytes, offset);
  if (model_bytes < 0 || model_bytes > length - kFixedBytes ||
      Padded(kFixedBytes + model_bytes) + 8 > length) {
    return Error("expected a whole header, found its beginning");
  }
  const int64_t checked = Padded(kFixedBytes + model_bytes);
  const uint64_t found = RoutingChecksum(bytes.data(), checked);
  if (const uint64_t told = At<uint64_t>(bytes, checked); told != found) {
    return Error(absl::StrCat("expected a header of checksum ", absl::Hex(told),
                              ", found ", absl::Hex(found)));
  }
  const absl::Status status = CheckSizes(sizes);
  if (!status.ok()) return status;
  parsed.header.model = std::string(bytes.substr(kFixedBytes, model_bytes));
  parsed.byte_count = checked + 8;
  return parsed;
}

}  // namespace switchyard
