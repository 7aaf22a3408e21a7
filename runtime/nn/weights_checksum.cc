// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/nn/weights_checksum.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/kernels/checksum.h"

namespace switchyard {
namespace {

// Reduces one value a parameter, then one a state tensor; those that this rank
// does not hold count as `neutral`.
absl::StatusOr<std::vector<int64_t>> Reduce(Stream& stream, const Grid& grid,
                                            const ParameterStore& store,
                                            comm::ReduceOp op,
                                            int64_t neutral) {
  const int64_t count =
      static_cast<int64_t>(store.parameters().size() + store.states().size());
  Storage storage(stream.device(), DType::kInt64, {count});
  const TensorView sums = storage.View(DType::kInt64, {count});
  std::vector<int64_t> host(count, neutral);
  stream.CopyToDevice(sums, host.data());
  for (const auto& parameter : store.parameters()) {
    if (!parameter->owned) continue;
    kernels::Checksum(stream, parameter->weight,
                      sums.Rows(parameter->index, parameter->index + 1));
  }
  int64_t at = static_cast<int64_t>(store.parameters().size());
  for (const auto& state : store.states()) {
    kernels::Checksum(stream, state->values, sums.Rows(at, at + 1));
    ++at;
  }
  SWITCHYARD_RETURN_IF_ERROR(
      grid.world().AllReduce(stream, sums, op, {-1, "checksum"}).Wait());
  stream.CopyToHost(host.data(), sums);
  SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(stream, grid.world()));
  return host;
}

// Of all that has a checksum, in their order.
std::vector<std::string> Names(const ParameterStore& store) {
  std::vector<std::string> names;
  for (const auto& parameter : store.parameters()) {
    names.push_back(parameter->name);
  }
  for (const auto& state : store.states()) names.push_back(state->name);
  return names;
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> ParameterChecksums(
    Stream& stream, const Grid& grid, const ParameterStore& store) {
  SWITCHYARD_ASSIGN_OR_RETURN(std::vector<int64_t> least,
                              Reduce(stream, grid, store, comm::ReduceOp::kMin,
                                     std::numeric_limits<int64_t>::max()));
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> largest,
                              Reduce(stream, grid, store, comm::ReduceOp::kMax,
                                     std::numeric_limits<int64_t>::min()));
  const std::vector<std::string> names = Names(store);
  for (size_t i = 0; i < names.size(); ++i) {
    if (least[i] != largest[i]) {
      return absl::InternalError(absl::StrCat(
          "all holders of ", names[i],
          " must have the same bits, but they differ; please report this"));
    }
  }
  return least;
}

absl::StatusOr<uint64_t> WeightsChecksum(Stream& stream, const Grid& grid,
                                         const ParameterStore& store) {
  SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> checksums,
                              ParameterChecksums(stream, grid, store));
  uint64_t result = 0;
  const std::vector<std::string> names = Names(store);
  for (size_t i = 0; i < names.size(); ++i) {
    result += MixKey(static_cast<uint64_t>(checksums[i]), names[i]);
  }
  return result;
}

}  // namespace switchyard
