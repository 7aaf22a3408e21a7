// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The routing of a run in a file: the same in every layout, and replayed with
// the same bits.
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/file.h"
#include "switchyard/runtime/train/routing_file.h"
#include "switchyard/runtime/train/routing_replay.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

using ::testing::HasSubstr;

TrainOptions Options() {
  TrainOptions options = SmallRun();
  options.steps = 3;
  options.warmup_steps = 0;
  options.lr = 0.03;
  options.overflow.capacity_factor = *CapacityFactor::Parse("1.25");
  return options;
}

std::string Content(const std::string& path) {
  const auto content = ReadFile(path, 1 << 26);
  EXPECT_TRUE(content.ok()) << content.status();
  return content.value_or("");
}

class RoutingTraceTest : public ::testing::Test {
 protected:
  // Runs and returns the file.
  std::string Trace(const Layout& layout, TrainOptions options,
                    RunRecord* record = nullptr) {
    options.routing_trace = folder_.path() / absl::StrCat("trace", ++files_);
    const auto result = RunOn(layout, options);
    EXPECT_TRUE(result.ok()) << result.status();
    if (result.ok() && record != nullptr) *record = *result;
    return options.routing_trace;
  }
  std::string Message(const std::string& path, TrainOptions options) {
    options.routing_replay = path;
    const auto result = RunOn({2, 2, 1}, options);
    return result.ok() ? "accepted" : std::string(result.status().message());
  }
  std::string Changed(const std::string& content) {
    return folder_.Write(absl::StrCat("changed", ++files_), content);
  }

  TemporaryFolder folder_;
  int files_ = 0;
};

TEST_F(RoutingTraceTest, TheFileIsTheSameInEveryLayout) {
  const TrainOptions options = Options();
  RunRecord traced;
  const std::string one = Content(Trace({1, 1, 1}, options, &traced));
  const auto plain = RunOn({1, 1, 1}, options);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(Difference(*plain, traced), "") << "a trace changes nothing";
  const RoutingSizes sizes = RoutingSizes::Of(options);
  const int64_t header = ParseRoutingHeader(one)->byte_count;
  EXPECT_EQ(static_cast<int64_t>(one.size()),
            header + 3 * 4 * (24 + 2 * 48 * 2 * 8));
  EXPECT_EQ(sizes.block_bytes(), 24 + 2 * 48 * 2 * 8);
  for (const Layout& layout : {Layout{2, 1, 1},
                               {2, 2, 1},
                               {3, 1, 1},
                               {4, 2, 2},
                               {4, 4, 1},
                               {2, 2, 1, true}}) {
    EXPECT_TRUE(Content(Trace(layout, options)) == one) << layout.ToString();
  }
}

TEST_F(RoutingTraceTest, ARunThatReplaysItselfHasItsBits) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    TrainOptions options = Options();
    options.dtype = dtype;
    RunRecord expected;
    const std::string path = Trace({1, 1, 1}, options, &expected);
    options.routing_replay = path;
    for (const Layout& layout :
         {Layout{1, 1, 1}, {2, 2, 1}, {4, 2, 1}, {2, 2, 1, true}}) {
      const auto replayed = RunOn(layout, options);
      ASSERT_TRUE(replayed.ok()) << replayed.status();
      EXPECT_EQ(Difference(expected, *replayed), "") << layout.ToString();
    }
    options.recompute = Recompute::kBlock;
    const auto replayed = RunOn({2, 1, 1}, options);
    ASSERT_TRUE(replayed.ok()) << replayed.status();
    EXPECT_EQ(Difference(expected, *replayed), "");
  }
}

// Another model's routing: its choices, with the gates and the gradients of
// this one.
TEST_F(RoutingTraceTest, ChoicesComeFromTheFileAndGatesDoNot) {
  TrainOptions options = Options();
  RunRecord other;
  const std::string path = Trace({2, 1, 1}, options, &other);
  options.model.initializer_range *= 1.5f;
  const auto own = RunOn({1, 1, 1}, options);
  options.routing_replay = path;
  RunRecord replayed;
  const std::string again = Trace({1, 1, 1}, options, &replayed);
  ASSERT_TRUE(own.ok());
  EXPECT_NE(own->assigned, other.assigned);
  EXPECT_EQ(replayed.assigned, other.assigned);
  EXPECT_NE(replayed.losses, other.losses);
  EXPECT_NE(replayed.losses, own->losses);
  // Routers still learn: their weights change from step to step.
  EXPECT_NE(replayed.checksums[0], replayed.checksums[1]);

  const RoutingSizes sizes = RoutingSizes::Of(options);
  const std::string first = Content(path), second = Content(again);
  const int64_t data = sizes.layer_elements() * 4;
  const char* then = first.data() + ParseRoutingHeader(first)->byte_count + 16;
  const char* now = second.data() + ParseRoutingHeader(second)->byte_count + 16;
  EXPECT_EQ(std::memcmp(then, now, data), 0) << "experts";
  EXPECT_NE(std::memcmp(then + data, now + data, data), 0) << "gates";
  std::vector<float> gates(sizes.layer_elements());
  std::memcpy(gates.data(), now + data, data);
  for (size_t i = 0; i < gates.size(); i += 2) {
    EXPECT_NEAR(gates[i] + gates[i + 1], 1.0f, 1e-6f) << "renormalised";
  }
}

// By which ranks notice that theirs are not the same.
TEST_F(RoutingTraceTest, FilesOfOneSizeHaveIdentitiesOfTheirOwn) {
  TrainOptions options = Options();
  std::vector<uint64_t> identities;
  for (const uint64_t seed : {1, 2, 1}) {
    options.seed = seed;
    options.routing_replay.clear();
    options.routing_replay = Trace({1, 1, 1}, options);
    const auto replay = RoutingReplay::Open(options);
    ASSERT_TRUE(replay.ok()) << replay.status();
    identities.push_back((*replay)->identity());
  }
  EXPECT_NE(identities[0], identities[1]);
  EXPECT_EQ(identities[0], identities[2]);
}

TEST_F(RoutingTraceTest, FilesOfOtherRunsAreRefused) {
  const TrainOptions options = Options();
  const std::string path = Trace({1, 1, 1}, options);
  EXPECT_EQ(Message(path, options), "accepted");

  TrainOptions changed = options;
  changed.model.layers = 3;
  EXPECT_THAT(Message(path, changed),
              HasSubstr("expected the routing of a run with 3 layers, found 2; "
                        "replay it with the model and the batch"));
  changed = options;
  changed.model.experts = 4;
  EXPECT_THAT(Message(path, changed), HasSubstr("4 experts, found 8"));
  changed = options;
  changed.model.experts_per_token = 1;
  EXPECT_THAT(Message(path, changed), HasSubstr("1 experts per token"));
  changed = options;
  changed.micro_batch = 4;
  EXPECT_THAT(Message(path, changed),
              HasSubstr("96 tokens of a micro-batch, found 48"));
  changed = options;
  changed.global_batch = 4;
  EXPECT_THAT(Message(path, changed),
              HasSubstr("2 micro-batches of a step, found 4"));
  changed = options;
  changed.steps = 4;
  EXPECT_THAT(Message(path, changed),
              HasSubstr("expected at least 4 steps, found 3"));
}

TEST_F(RoutingTraceTest, DamagedFilesAreRefused) {
  const TrainOptions options = Options();
  const std::string whole = Content(Trace({1, 1, 1}, options));
  const size_t header = ParseRoutingHeader(whole)->byte_count;
  const size_t block = RoutingSizes::Of(options).block_bytes();

  EXPECT_THAT(Message(folder_.path() / "none", options), HasSubstr("cannot"));
  EXPECT_THAT(Message(folder_.path(), options), HasSubstr("a file"));
  EXPECT_THAT(Message(Changed("text"), options), HasSubstr("something else"));
  // Cut anywhere, also within the header and between micro-batches.
  for (const size_t size : {size_t{0}, size_t{7}, size_t{60}, header - 1,
                            header + 1, header + block, whole.size() - 1}) {
    EXPECT_THAT(Message(Changed(whole.substr(0, size)), options),
                HasSubstr("expected"))
        << size;
  }
  EXPECT_THAT(Message(Changed(whole.substr(0, header)), options),
              HasSubstr("expected at least 3 steps, found 0"));
  // A bit of the header, of a step's number, of an expert and of the checksum.
  for (const size_t at : {size_t{9}, size_t{20}, header - 1, header + 3 * block,
                          header + 5 * block + 17, header + 7 * block - 1}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    EXPECT_THAT(Message(Changed(damaged), options), HasSubstr("expected"))
        << at;
  }
  std::string longer = whole;
  longer += "12345678";
  EXPECT_THAT(Message(Changed(longer), options), HasSubstr("whole steps"));
}

// With the right checksum: from a program, or from somebody who means it.
TEST_F(RoutingTraceTest, ExpertsThatDoNotExistAreRefused) {
  const TrainOptions options = Options();
  const std::string whole = Content(Trace({1, 1, 1}, options));
  const RoutingSizes sizes = RoutingSizes::Of(options);
  const size_t block = ParseRoutingHeader(whole)->byte_count +
                       2 * static_cast<size_t>(sizes.block_bytes());
  for (const int32_t expert : {-1, 8, 1 << 30}) {
    std::string changed = whole;
    std::memcpy(&changed[block + 16], &expert, sizeof(expert));
    const uint64_t checksum =
        RoutingChecksum(&changed[block], sizes.block_bytes() - 8);
    std::memcpy(&changed[block + sizes.block_bytes() - 8], &checksum, 8);
    EXPECT_THAT(Message(Changed(changed), options),
                HasSubstr(absl::StrCat("expert ", expert)));
  }
  // The same expert twice.
  std::string changed = whole;
  std::memcpy(&changed[block + 20], &changed[block + 16], 4);
  const uint64_t checksum =
      RoutingChecksum(&changed[block], sizes.block_bytes() - 8);
  std::memcpy(&changed[block + sizes.block_bytes() - 8], &checksum, 8);
  EXPECT_THAT(Message(Changed(changed), options), HasSubstr("twice"));
}

TEST_F(RoutingTraceTest, AFileThatIsThereIsNotOverwritten) {
  TrainOptions options = Options();
  options.routing_trace = folder_.Write("there", "kept");
  const auto result = RunOn({2, 1, 1}, options);
  EXPECT_TRUE(absl::IsAlreadyExists(result.status())) << result.status();
  EXPECT_EQ(Content(options.routing_trace), "kept");
}

TEST_F(RoutingTraceTest, ARunThatDoesNotBeginLeavesNoFile) {
  TrainOptions options = Options();
  options.routing_trace = folder_.path() / "trace";
  options.routing_replay = folder_.path() / "none";
  EXPECT_FALSE(RunOn({2, 1, 1}, options).ok());
  EXPECT_FALSE(std::filesystem::exists(options.routing_trace));
}

}  // namespace
}  // namespace switchyard::testing
