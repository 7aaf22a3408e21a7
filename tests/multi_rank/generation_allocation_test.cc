// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A token that is like those before allocates nothing.
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/runtime/generate/decoder.h"
#include "switchyard/runtime/generate/token_sampler.h"
#include "switchyard/tests/multi_rank/allocation_counter.h"
#include "switchyard/tests/support/generation_run.h"

namespace switchyard::testing {
namespace {

TEST(GenerationAllocationTest, ATokenAllocatesNothing) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const ModelConfig model = GeneratingModels()[0].config;
    CpuDevice device(2);
    const auto world = comm::NewSelfCommunicator();
    const Grid grid = *Grid::Create(*world, 1, static_cast<int>(model.experts));
    const auto decoder = Decoder::Create({model, dtype, 1, 100}, grid, device);
    ASSERT_TRUE(decoder.ok()) << decoder.status();
    FillWeights((*decoder)->store(), (*decoder)->stream(), 7);
    TokenSampler sampler({.temperature = 0.9, .top_k = 30, .top_p = 0.9});
    const std::vector<int32_t> prompt = RandomIds(1, 20, model.vocabulary);
    ASSERT_TRUE((*decoder)->Forward(prompt).ok());
    std::vector<int64_t> counts;
    for (int64_t position = 20; position < 80; ++position) {
      StartCounting();
      const absl::StatusOr<int32_t> token =
          sampler.Sample((*decoder)->logits(0), position);
      const absl::Status status =
          token.ok() ? (*decoder)->Forward({&*token, 1}) : token.status();
      counts.push_back(StopCounting());
      ASSERT_TRUE(status.ok()) << status;
    }
    // The first ones see what is new to them.
    EXPECT_EQ(std::vector<int64_t>(counts.begin() + 5, counts.end()),
              std::vector<int64_t>(counts.size() - 5, 0))
        << NameOf(dtype);
  }
}

}  // namespace
}  // namespace switchyard::testing
