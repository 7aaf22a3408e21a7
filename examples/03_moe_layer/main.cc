// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Random tokens go forward and backward through one mixture-of-experts layer on
// several layouts. Ranks are threads of this program. It prints the experts'
// loads and, for each layout, who received how many rows and a checksum of all
// results, and fails unless every layout has the bits of one rank.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/examples/03_moe_layer/layer_on_rank.h"

namespace switchyard::examples {
namespace {

struct Layout {
  int ranks;
  int width;  // of expert parallelism
};

absl::StatusOr<Results> RunOn(const Layout& layout) {
  Results results;
  SWITCHYARD_RETURN_IF_ERROR(comm::RunRanks(
      layout.ranks, {}, [&](comm::Communicator& world) -> absl::Status {
        SWITCHYARD_ASSIGN_OR_RETURN(const std::unique_ptr<LayerOnRank> layer,
                                    LayerOnRank::Create(world, layout.width));
        SWITCHYARD_ASSIGN_OR_RETURN(Results mine, layer->Run());
        if (world.rank() == 0) results = std::move(mine);
        return absl::OkStatus();
      }));
  return results;
}

// One number for all checksums, in their order.
uint64_t Digest(const Results& results) {
  uint64_t digest = 0;
  for (const auto* sums : {&results.outputs, &results.input_gradients,
                           &results.weight_gradients}) {
    for (const int64_t sum : *sums) {
      digest = MixKey(digest, static_cast<uint64_t>(sum));
    }
  }
  return digest;
}

void PrintLoads(const Results& results) {
  const int64_t total =
      std::accumulate(results.loads.begin(), results.loads.end(), int64_t{0});
  std::printf("%lld assignments, by expert: %s\n",
              static_cast<long long>(total),
              absl::StrJoin(results.loads, " ").c_str());
}

absl::Status Main() {
  // Three ranks share four micro-batches: in the second round two have none.
  constexpr Layout kLayouts[] = {{1, 1}, {2, 1}, {2, 2},
                                 {3, 1}, {4, 2}, {4, 4}};
  uint64_t expected = 0;
  for (const Layout& layout : kLayouts) {
    SWITCHYARD_ASSIGN_OR_RETURN(const Results results, RunOn(layout));
    const uint64_t digest = Digest(results);
    if (layout.ranks == 1) {
      PrintLoads(results);
      expected = digest;
    }
    std::printf("%d ranks, width %d: rows received %s, checksum %016llx\n",
                layout.ranks, layout.width,
                absl::StrJoin(results.received_rows, " ").c_str(),
                static_cast<unsigned long long>(digest));
    if (digest != expected) {
      return absl::InternalError(
          "every layout must give the bits of one rank, but this one does not; "
          "please report it");
    }
  }
  std::printf("all layouts gave the same bits\n");
  return absl::OkStatus();
}

}  // namespace
}  // namespace switchyard::examples

int main() {
  const absl::Status status = switchyard::examples::Main();
  if (status.ok()) return 0;
  std::fprintf(stderr, "moe_layer: %s\n",
               std::string(status.message()).c_str());
  return 1;
}
