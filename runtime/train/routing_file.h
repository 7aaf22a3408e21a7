// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The file of --routing_trace: which experts every token of a run went to, and
// with which gates (docs/routing_trace.md). A header, then one block for each
// micro-batch of each step, in their order; all blocks are equally long.
// Numbers are little-endian.
#ifndef SWITCHYARD_RUNTIME_TRAIN_ROUTING_FILE_H_
#define SWITCHYARD_RUNTIME_TRAIN_ROUTING_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "switchyard/runtime/train/options.h"

namespace switchyard {

// Everything that decides how long a block is and how many make a step.
struct RoutingSizes {
  int64_t layers = 0;  // with experts
  int64_t experts = 0;
  int64_t choices = 0;        // k
  int64_t tokens = 0;         // of a micro-batch
  int64_t micro_batches = 0;  // of a step

  static RoutingSizes Of(const TrainOptions& options);

  // One layer's experts, or gates.
  int64_t layer_elements() const { return tokens * choices; }
  // Of a block: for each layer int32 [tokens, k] experts, then fp32 [tokens, k]
  // gates.
  int64_t payload_bytes() const { return layers * layer_elements() * 8; }
  // With its step and number before it and a checksum behind it.
  int64_t block_bytes() const { return payload_bytes() + 3 * 8; }
};

struct RoutingHeader {
  RoutingSizes sizes;
  std::string model;  // its config.json, for people
};
inline constexpr int64_t kMaxRoutingHeaderBytes = int64_t{1} << 20;

std::string EncodeRoutingHeader(const RoutingHeader& header);
// The header that `bytes` begin with, and its length. Anything may be in them;
// an error is the rest of a sentence, "expected ..., found ...".
struct ParsedRoutingHeader {
  RoutingHeader header;
  int64_t byte_count = 0;
};
absl::StatusOr<ParsedRoutingHeader> ParseRoutingHeader(absl::string_view bytes);

// Of `byte_count` bytes, a multiple of 8. Finds what a disk or a copy does to a
// file, not what a person does.
uint64_t RoutingChecksum(const void* data, int64_t byte_count);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_ROUTING_FILE_H_
