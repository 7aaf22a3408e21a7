// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Operators take their threads' working memory in the first call of a size, on
// all threads: a thread that got no piece of it must not allocate when it gets
// one later. Working memory, and nothing else, comes from aligned_alloc, which
// is replaced below.
#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/arena.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/kernels/attention.h"
#include "switchyard/kernels/embedding.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/kernels/matmul.h"
#include "switchyard/kernels/router.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

extern "C" void* __libc_memalign(size_t alignment, size_t bytes);

namespace {
std::atomic<int> round_number{0};  // 0: not counting
std::atomic<int> threads_that_grew{0};
thread_local int last_round = 0;  // in which this thread grew
}  // namespace

extern "C" void* aligned_alloc(size_t alignment, size_t bytes) {
  const int now = round_number.load();
  if (now != 0 && last_round != now) {
    last_round = now;
    ++threads_that_grew;
  }
  return __libc_memalign(alignment, bytes);
}

namespace switchyard::kernels {
namespace {

using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

constexpr int kThreads = 4;
constexpr DType kFloat = DType::kFloat32;

class ThreadScratchTest : public ::testing::Test {
 protected:
  ThreadScratchTest() {
    CurrentInstructionSet();
    arena_.Allocate(DType::kUInt8, {1});  // the first block is taken
  }

  // How many threads' memory grew in call(stream, arena).
  template <typename Call>
  int Grown(const Call& call) {
    static int rounds = 0;
    threads_that_grew = 0;
    round_number = ++rounds;
    call(*stream_, arena_);
    stream_->Wait();
    round_number = 0;
    return threads_that_grew;
  }

  // `call` has two pieces: two threads at most run one. A new thread has a new
  // team, which has no memory yet.
  template <typename Call>
  void ExpectAllGrowAtOnce(const Call& call) {
    std::thread([&] {
      EXPECT_EQ(Grown(call), kThreads);
      for (int i = 0; i < 100; ++i) EXPECT_EQ(Grown(call), 0);
    }).join();
  }

  CpuDevice device_{kThreads};
  std::unique_ptr<Stream> stream_ = device_.NewStream();
  Arena arena_{device_, size_t{1} << 24};
};

TEST_F(ThreadScratchTest, EmbeddingGradient) {
  const TestTensor dy(device_, kFloat, {3, 4}, RandomValues(1, 12));
  const TestTensor ids(device_, DType::kInt32, {3}, {0, 100, 0});
  TestTensor sum(device_, DType::kInt64, {128, 4},
                 std::vector<double>(512, 0.0));
  TestTensor refused(device_, DType::kInt64, {1}, {0});
  ExpectAllGrowAtOnce([&](Stream& stream, Arena& arena) {
    EmbeddingGradient(stream, arena, {dy, ids, {}, {sum, refused}});
  });
}

TEST_F(ThreadScratchTest, Router) {
  const TestTensor logits(device_, kFloat, {128, 8}, RandomValues(1, 1024));
  TestTensor p(device_, kFloat, {128, 8}), logsumexp(device_, kFloat, {128});
  TestTensor experts(device_, DType::kInt32, {128, 2});
  TestTensor gates(device_, kFloat, {128, 2});
  const TestTensor valid(device_, DType::kUInt8, {128},
                         std::vector<double>(128, 1.0));
  TestTensor dlogits(device_, kFloat, {128, 8});
  ExpectAllGrowAtOnce([&](Stream& stream, Arena&) {
    Router(stream, {.logits = logits,
                    .probabilities = p,
                    .logsumexp = logsumexp,
                    .experts = experts,
                    .gates = gates});
    RouterBackward(stream, {.probabilities = p,
                            .logsumexp = logsumexp,
                            .experts = experts,
                            .gates = gates,
                            .dgates = gates,
                            .valid = valid,
                            .dlogits = dlogits});
  });
}

TEST_F(ThreadScratchTest, Products) {
  // Two blocks of 256 rows; two of 128 rows of a leaf.
  const TestTensor x(device_, kFloat, {300, 16}, RandomValues(1, 300 * 16));
  const TestTensor w(device_, kFloat, {24, 16}, RandomValues(2, 24 * 16));
  TestTensor y(device_, kFloat, {300, 24});
  ExpectAllGrowAtOnce([&](Stream& stream, Arena&) {
    MatMul(stream, {x, Transpose::kNo, w, Transpose::kYes, y});
  });
  const TestTensor dy(device_, kFloat, {5, 200}, RandomValues(3, 1000));
  TestTensor sum(device_, DType::kInt64, {200, 16},
                 std::vector<double>(3200, 0.0));
  TestTensor refused(device_, DType::kInt64, {1}, {0});
  const GradientSum gradient = {sum, refused};
  ExpectAllGrowAtOnce([&](Stream& stream, Arena&) {
    WeightGradient(stream, {dy, x.view().Rows(0, 5), {}, {&gradient, 1}});
  });
}

TEST_F(ThreadScratchTest, GroupedProductsToBf16) {
  const std::vector<Segment> segments = {{0, 0, 8, 8}, {1, 8, 8, 8}};
  const DType dtype = DType::kBFloat16;
  const TestTensor x(device_, dtype, {16, 16}, RandomValues(1, 256));
  const TestTensor w(device_, dtype, {24, 16}, RandomValues(2, 24 * 16));
  const std::vector<ConstTensorView> weights = {w, w};
  TestTensor y(device_, dtype, {16, 24});
  const auto call = [&](Stream& stream, Arena&) {
    GroupedMatMul(stream, {x, weights, Transpose::kYes, segments, y});
  };
  if (HasBFloat16Products()) {
    GTEST_SKIP() << "oneDNN allocates at every product";
  }
  ExpectAllGrowAtOnce(call);
}

TEST_F(ThreadScratchTest, Attention) {
  // Two tiles of 48 queries, two heads of one tile of keys.
  const Shape shape = {60, 2, 16}, one_head = {60, 1, 16};
  const auto values = RandomValues(1, shape.element_count());
  const TestTensor q(device_, kFloat, shape, values);
  TestTensor out(device_, kFloat, shape), dq(device_, kFloat, shape);
  TestTensor dk(device_, kFloat, shape), dv(device_, kFloat, shape);
  TestTensor sums(device_, kFloat, {60, 2});
  const auto part = [&](const TestTensor& whole) {
    return whole.view().Reshaped({60, 32}).Columns(0, 16).Reshaped(one_head);
  };
  ExpectAllGrowAtOnce([&](Stream& stream, Arena& arena) {
    Attention(stream, arena,
              {part(q), part(q), part(q), 60, 0.25f, part(out),
               sums.view().Columns(0, 1)});
  });
  ExpectAllGrowAtOnce([&](Stream& stream, Arena& arena) {
    AttentionBackward(stream, arena,
                      {q, q, q, out, sums, q, 60, 0.25f, dq, dk, dv});
  });
}

}  // namespace
}  // namespace switchyard::kernels
