// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A step that sees no new maximum of routed rows allocates nothing and makes no
// primitive. Every allocation of the program goes through the functions below.
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/comm/self/self_communicator.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/runtime/train/trainer.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/synthetic_data.h"

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* data, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace {
std::atomic<bool> counting{false};
std::atomic<int64_t> allocations{0};

void Count() {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
}
}  // namespace

extern "C" {
void* malloc(size_t bytes) {
  Count();
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  Count();
  return __libc_calloc(count, bytes);
}
void* realloc(void* data, size_t bytes) {
  Count();
  return __libc_realloc(data, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  Count();
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** data, size_t alignment, size_t bytes) {
  Count();
  *data = __libc_memalign(alignment, bytes);
  return *data == nullptr ? 12 : 0;
}
}

namespace switchyard::testing {
namespace {

// Every step has the same batch, and a learning rate too small to move a
// token: no step has more rows than the first.
class SameBatch : public SyntheticData {
 public:
  using SyntheticData::SyntheticData;
  absl::Status Fill(int64_t /*step*/, int64_t first, int64_t count,
                    Batch* batch) override {
    return SyntheticData::Fill(0, first, count, batch);
  }
};

struct Case {
  DType dtype;
  int threads;
  Recompute recompute;
};

class AllocationTest : public ::testing::TestWithParam<Case> {};

TEST_P(AllocationTest, AStepLikeAnEarlierOneAllocatesNothing) {
  TrainOptions options = SmallRun();
  options.lr = 1e-12;
  options.dtype = GetParam().dtype;
  options.recompute = GetParam().recompute;
  CpuDevice device(GetParam().threads);
  const std::unique_ptr<comm::Communicator> world = comm::NewSelfCommunicator();
  SameBatch data(options.model.vocabulary, options.seq_len,
                 options.global_batch);
  TrainerParts parts;
  parts.data = &data;
  auto trainer = Trainer::Create(options, *world, device, std::move(parts));
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  for (int step = 0; step < 3; ++step) {
    ASSERT_TRUE((*trainer)->Step().ok());
  }
  const int64_t primitives = kernels::MatMulPrimitiveCount();
  const int growth = (*trainer)->runner().arena_growth_count();
  counting = true;
  const absl::StatusOr<StepMetrics> metrics = (*trainer)->Step();
  counting = false;
  ASSERT_TRUE(metrics.ok());
  EXPECT_EQ(allocations.exchange(0), 0);
  EXPECT_EQ(kernels::MatMulPrimitiveCount(), primitives);
  EXPECT_EQ((*trainer)->runner().arena_growth_count(), growth);
}

INSTANTIATE_TEST_SUITE_P(
    Runs, AllocationTest,
    ::testing::Values(Case{DType::kFloat32, 1, Recompute::kNone},
                      Case{DType::kFloat32, 2, Recompute::kNone},
                      Case{DType::kFloat32, 1, Recompute::kBlock},
                      Case{DType::kBFloat16, 1, Recompute::kNone}),
    [](const auto& info) {
      return std::string(NameOf(info.param.dtype)) + "_" +
             std::to_string(info.param.threads) +
             (info.param.recompute == Recompute::kBlock ? "_recompute" : "");
    });

TEST(AllocationTest, TheCounterCounts) {
  counting = true;
  void* volatile data = std::malloc(1);
  counting = false;
  std::free(data);
  EXPECT_EQ(allocations.exchange(0), 1);
}

}  // namespace
}  // namespace switchyard::testing
