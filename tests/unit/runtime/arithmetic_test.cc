// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/parallel/arithmetic.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/tests/support/command_run.h"

namespace switchyard {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

ModelConfig SomeModel() {
  ModelConfig model;
  model.hidden_size = 64;
  model.intermediate_size = 40;
  model.layers = 3;
  model.heads = 4;
  model.kv_heads = 2;
  model.head_dim = 16;
  model.experts = 6;
  model.experts_per_token = 2;
  model.vocabulary = 300;
  model.rope_theta = 10000.0;
  model.rms_norm_eps = 1e-5f;
  return model;
}

uint64_t FingerprintOn(Device& device, const ModelConfig& model, DType dtype) {
  const auto stream = device.NewStream();
  const uint64_t result = ArithmeticFingerprint(*stream, model, dtype);
  stream->Wait();
  return result;
}

TEST(CompareFingerprintsTest,
     AllRanksGetTheSentenceThatNamesTheOneThatDiffers) {
  std::atomic<int> told{0};
  const absl::Status status =
      comm::RunRanks(4, {}, [&](comm::Communicator& world) {
        EXPECT_TRUE(CompareFingerprints(world, ~uint64_t{0}).ok());
        const absl::Status differs =
            CompareFingerprints(world, world.rank() == 2 ? 8 : 7);
        EXPECT_TRUE(absl::IsFailedPrecondition(differs)) << differs;
        const std::string host = world.members()[2].host;
        EXPECT_THAT(std::string(differs.message()),
                    AllOf(HasSubstr(absl::StrCat(": 2 (", host, ");")),
                          HasSubstr("--isa"), Not(HasSubstr("1 (")),
                          Not(HasSubstr("3 ("))));
        ++told;
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(told, 4);
}

TEST(CompareFingerprintsTest, NamesAllThatDifferFromRankZero) {
  const absl::Status status =
      comm::RunRanks(3, {}, [&](comm::Communicator& world) {
        const absl::Status differs =
            CompareFingerprints(world, world.rank() == 0 ? 1 : 2);
        EXPECT_THAT(std::string(differs.message()),
                    AllOf(HasSubstr("1 ("), HasSubstr(", 2 (")));
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
}

class FingerprintTest : public ::testing::TestWithParam<DType> {};

TEST_P(FingerprintTest, IsTheSameOnEveryStreamAndThreadCount) {
  CpuDevice one(1), three(3);
  GuardedDevice guarded(2);
  const uint64_t expected = FingerprintOn(one, SomeModel(), GetParam());
  EXPECT_NE(expected, 0u);
  EXPECT_EQ(FingerprintOn(one, SomeModel(), GetParam()), expected);
  EXPECT_EQ(FingerprintOn(three, SomeModel(), GetParam()), expected);
  EXPECT_EQ(FingerprintOn(guarded, SomeModel(), GetParam()), expected);
}

TEST_P(FingerprintTest, SeesTheModelsWidths) {
  CpuDevice device;
  const uint64_t expected = FingerprintOn(device, SomeModel(), GetParam());
  const auto changed = [&](auto change) {
    ModelConfig model = SomeModel();
    change(model);
    return FingerprintOn(device, model, GetParam());
  };
  EXPECT_NE(changed([](ModelConfig& m) { m.hidden_size += 8; }), expected);
  EXPECT_NE(changed([](ModelConfig& m) { m.head_dim += 2; }), expected);
  EXPECT_NE(changed([](ModelConfig& m) { m.intermediate_size += 1; }),
            expected);
  EXPECT_NE(changed([](ModelConfig& m) { m.experts += 1; }), expected);
  EXPECT_NE(changed([](ModelConfig& m) { m.rope_theta *= 2; }), expected);
  EXPECT_NE(changed([](ModelConfig& m) { m.rms_norm_eps *= 2; }), expected);
}

INSTANTIATE_TEST_SUITE_P(DTypes, FingerprintTest,
                         ::testing::Values(DType::kFloat32, DType::kBFloat16),
                         [](const auto& info) {
                           return std::string(NameOf(info.param));
                         });

// Knows the most memory that was taken at a time.
class MeasuringDevice : public CpuDevice {
 public:
  void* Allocate(size_t bytes) override {
    now_ += bytes;
    peak_ = std::max(peak_, now_);
    return CpuDevice::Allocate(bytes);
  }
  void Free(void* data, size_t bytes) override {
    now_ -= bytes;
    CpuDevice::Free(data, bytes);
  }
  size_t peak() const { return peak_; }

 private:
  size_t now_ = 0;
  size_t peak_ = 0;
};

TEST(FingerprintTest, AHugeModelTakesLittleMemory) {
  ModelConfig model = SomeModel();  // Mixtral 8x7B: a layer has 5.8 GB in fp32
  model.hidden_size = 4096;
  model.intermediate_size = 14336;
  model.layers = 32;
  model.heads = 32;
  model.kv_heads = 8;
  model.head_dim = 128;
  model.experts = 8;
  model.vocabulary = 32000;
  MeasuringDevice device;
  FingerprintOn(device, model, DType::kFloat32);
  EXPECT_GT(device.peak(), size_t{28672} * 512 * sizeof(float))
      << "the widest product's inner dimension";
  EXPECT_LT(device.peak(), size_t{512} << 20);
}

// The instruction set is fixed once a process, so another one needs another
// process: this one is run by the test below.
TEST(FingerprintInAnotherProcess, DISABLED_Print) {
  CpuDevice device;
  std::printf("fingerprint=%" PRIx64 ";\n",
              FingerprintOn(device, SomeModel(), DType::kFloat32));
}

std::string FingerprintWith(kernels::InstructionSet isa) {
  const testing::CommandResult run = testing::RunCommand(
      absl::StrCat("SWITCHYARD_TEST_ISA=", kernels::NameOf(isa), " /proc/",
                   getpid(), "/exe --gtest_also_run_disabled_tests ",
                   "--gtest_filter='FingerprintInAnotherProcess.*'"),
      "/");
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  const size_t begin = run.out.find("fingerprint=");
  const size_t end = run.out.find(';', begin);
  EXPECT_NE(end, std::string::npos) << run.out;
  return end == std::string::npos ? "" : run.out.substr(begin, end - begin);
}

TEST(FingerprintTest, DiffersBetweenInstructionSets) {
  if (kernels::BestInstructionSet() == kernels::InstructionSet::kBaseline) {
    GTEST_SKIP() << "this processor has one only";
  }
  const std::string baseline =
      FingerprintWith(kernels::InstructionSet::kBaseline);
  EXPECT_EQ(FingerprintWith(kernels::InstructionSet::kBaseline), baseline);
  EXPECT_NE(FingerprintWith(kernels::InstructionSet::kAvx2), baseline);
}

}  // namespace
}  // namespace switchyard
