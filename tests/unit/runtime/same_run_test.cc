// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/train/same_run.h"

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/runtime/data/text_data_source.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/synthetic_data.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

using ::testing::HasSubstr;

// Three ranks, of which `edit` tells rank 2 something else.
void ExpectRefused(const std::function<void(TrainOptions&)>& edit,
                   const std::string& part, const std::string& found = "",
                   const std::string& first = "") {
  std::vector<absl::Status> statuses(3);
  const absl::Status ran =
      comm::RunRanks(3, {}, [&](comm::Communicator& world) -> absl::Status {
        TrainOptions options = testing::SmallRun();
        if (world.rank() == 2) edit(options);
        const testing::SyntheticData data(48, 24, 8);
        statuses[world.rank()] = CheckSameRun(world, options, data);
        return absl::OkStatus();
      });
  ASSERT_TRUE(ran.ok()) << ran;
  for (const absl::Status& status : statuses) {
    if (part.empty()) {
      EXPECT_TRUE(status.ok()) << status;
      continue;
    }
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("expected the same " + part +
                          " on all ranks, found " + found + " on rank 2 ("));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(first.empty() ? ") than on rank 0 ("
                                        : ") and " + first + " on rank 0 ("));
  }
}

TEST(SameRun, NamesTheFlagAndTheRank) {
  ExpectRefused([](TrainOptions&) {}, "");
  ExpectRefused([](TrainOptions& o) { o.seed = 6; }, "--seed", "6", "5");
  ExpectRefused([](TrainOptions& o) { o.clip_norm = 0.5; }, "--clip_norm",
                "0.5", "1");
  ExpectRefused([](TrainOptions& o) { o.model.rms_norm_eps = 1e-6f; },
                "--model", "another", "");
  ExpectRefused([](TrainOptions& o) { o.recompute = Recompute::kBlock; },
                "--recompute", "block", "none");
  ExpectRefused(
      [](TrainOptions& o) {
        o.overflow.eval_capacity_factor = *CapacityFactor::Parse("2");
      },
      "--eval_capacity_factor", "2", "0");
  ExpectRefused([](TrainOptions& o) { o.overflow.min_capacity = 4; },
                "--min_capacity", "4", "0");
  ExpectRefused(
      [](TrainOptions& o) {
        o.overflow.capacity_scope = CapacityScope::kSequence;
      },
      "--capacity_scope", "sequence", "micro_batch");
  ExpectRefused(
      [](TrainOptions& o) {
        o.overflow.drop_policy = DropPolicy::kProbability;
      },
      "--drop_policy", "probability", "position");
  ExpectRefused(
      [](TrainOptions& o) { o.overflow.renormalize_survivors = true; },
      "--renormalize_survivors", "true", "false");
  ExpectRefused([](TrainOptions& o) { o.overflow.no_token_left_behind = 3; },
                "--no_token_left_behind", "3", "0");
  ExpectRefused([](TrainOptions& o) { o.expert_dropout = 0.1; },
                "--expert_dropout", "0.1", "0");
}

// Their digits differ where their bits do, and their names are those of flags.
TEST(SameRun, SaysTheValues) {
  ExpectRefused([](TrainOptions& o) { o.lr = std::nextafter(3e-3, 1.0); },
                "--lr", "0.0030000000000000005", "0.003");
  ExpectRefused([](TrainOptions& o) { o.seed = ~uint64_t{0}; }, "--seed",
                "18446744073709551615", "5");
  ExpectRefused([](TrainOptions& o) { o.model.balance_loss_coef = 0.02; },
                "--balance_loss_coef", "0.02", "0.01");
  ExpectRefused([](TrainOptions& o) { o.routing_trace = "trace"; },
                "--routing_trace", "one", "none");
  ExpectRefused([](TrainOptions& o) { o.dtype = DType::kBFloat16; }, "--dtype",
                "bf16", "fp32");
}

TEST(SameRun, WhatTouchesNoNumberMayDiffer) {
  ExpectRefused(
      [](TrainOptions& o) {
        o.threads = 2;
        o.log_every = 7;
        o.comm_timeout = 1.0;
      },
      "");
}

TEST(SameRun, DataIsToldApartByItsTextNotByItsName) {
  const testing::TemporaryFolder folder;
  const auto identity = [&](const std::string& name, const std::string& text) {
    TextDataOptions options;
    options.files = {folder.Write(name, text)};
    options.sequence_length = 16;
    options.global_batch = 2;
    options.vocabulary = 256;
    auto data = TextDataSource::Create(options);
    EXPECT_TRUE(data.ok()) << data.status();
    return data.ok() ? (*data)->identity() : 0;
  };
  const std::string text(100000, 'a');
  const uint64_t expected = identity("one.txt", text);
  EXPECT_EQ(identity("two.txt", text), expected);
  EXPECT_NE(identity("longer.txt", text + "a"), expected);
  std::string other = text;
  other.back() = 'b';
  EXPECT_NE(identity("other.txt", other), expected);
}

}  // namespace
}  // namespace switchyard
