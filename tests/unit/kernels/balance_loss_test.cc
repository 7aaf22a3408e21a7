// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/balance_loss.h"

#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/tests/support/any_device.h"
#include "switchyard/tests/support/compare.h"
#include "switchyard/tests/support/random_values.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::AllEqual;
using switchyard::testing::AllNear;
using switchyard::testing::AnyDevice;
using switchyard::testing::Layout;
using switchyard::testing::RandomIntegers;
using switchyard::testing::RandomValues;
using switchyard::testing::TestTensor;

using Values = std::vector<double>;

struct Inputs {
  int64_t tokens, experts, k;
  Values probabilities, logsumexp, chosen, valid;
  double weight = 1.0;
  int64_t sequences = 1;
  int64_t choices = 0;  // that are counted; 0: all
  double scale = 1.0;
  int64_t devices = 0;
  double device_weight = 0.0, communication_weight = 0.0;
  double devices_per_token = 1.0;

  double counted_choices() const {
    return static_cast<double>(choices > 0 ? choices : k);
  }
};

struct Result {
  Values losses, device_losses, gradient, counts;
};

Values Zeros(int64_t count) { return Values(count, 0.0); }

Result Compute(Device& device, const Inputs& in, Layout layout = {}) {
  const auto stream = device.NewStream();
  TestTensor probabilities(device, DType::kFloat32, {in.tokens, in.experts},
                           in.probabilities, layout);
  TestTensor logsumexp(device, DType::kFloat32, {in.tokens}, in.logsumexp);
  TestTensor chosen(device, DType::kInt32, {in.tokens, in.k}, in.chosen,
                    layout);
  TestTensor valid(device, DType::kUInt8, {in.tokens}, in.valid);
  const int64_t columns = in.experts + in.devices;
  TestTensor counts(device, DType::kInt64, {in.sequences, columns},
                    Zeros(in.sequences * columns));
  TestTensor losses(device, DType::kFloat64, {2});
  TestTensor device_losses(device, DType::kFloat64, {2});
  TestTensor gradient(device, DType::kFloat32, {in.sequences, in.experts});
  ExpertCounts(*stream, {chosen, valid, in.choices, in.devices, counts});
  BalanceLossArgs args;
  args.probabilities = probabilities;
  args.logsumexp = logsumexp;
  args.valid = valid;
  args.counts = counts;
  args.scale = in.scale;
  args.balance_weight = in.weight;
  args.device_weight = in.device_weight;
  args.communication_weight = in.communication_weight;
  args.counted_choices = in.counted_choices();
  args.devices_per_token = in.devices_per_token;
  args.losses = losses;
  args.device_losses = device_losses;
  args.balance_gradient = gradient;
  BalanceLoss(*stream, args);
  stream->Wait();
  return {losses.Read(), device_losses.Read(), gradient.Read(), counts.Read()};
}

// What the formulas say of the tokens [begin, end), as sums of plain loops.
struct SequenceOracle {
  SequenceOracle(const Inputs& in, int64_t begin, int64_t end)
      : fraction(in.experts, 0), mean(in.experts, 0), sent(in.devices, 0) {
    for (int64_t t = begin; t < end; ++t) tokens += in.valid[t];
    if (tokens == 0) return;
    for (int64_t t = begin; t < end; ++t) {
      if (in.valid[t] == 0) continue;
      std::set<int64_t> devices;
      for (int64_t j = 0; j < in.k; ++j) {
        const auto e = static_cast<int64_t>(in.chosen[t * in.k + j]);
        const double counted = in.counted_choices();
        if (static_cast<double>(j) < counted) {
          fraction[e] += 1.0 / (tokens * counted);
        }
        if (in.devices > 0) devices.insert(e * in.devices / in.experts);
      }
      for (int64_t d : devices) sent[d] += 1.0 / tokens;
      for (int64_t e = 0; e < in.experts; ++e) {
        mean[e] += in.probabilities[t * in.experts + e] / tokens;
      }
    }
  }
  double tokens = 0;
  Values fraction, mean, sent;
};

Result Oracle(const Inputs& in) {
  Result result{Zeros(2), Zeros(2), Zeros(in.sequences * in.experts), {}};
  double tokens = 0;
  for (double valid : in.valid) tokens += valid;
  if (tokens == 0) return result;
  for (int64_t t = 0; t < in.tokens; ++t) {
    result.losses[1] +=
        in.valid[t] * in.logsumexp[t] * in.logsumexp[t] / tokens;
  }
  const double experts = static_cast<double>(in.experts);
  const double devices = static_cast<double>(in.devices);
  const int64_t length = in.tokens / in.sequences;
  for (int64_t s = 0; s < in.sequences; ++s) {
    const SequenceOracle of(in, s * length, (s + 1) * length);
    if (of.tokens == 0) continue;
    for (int64_t e = 0; e < in.experts; ++e) {
      const double slope = in.scale * experts * of.fraction[e];
      result.losses[0] += of.tokens / tokens * slope * of.mean[e];
      double& gradient = result.gradient[s * in.experts + e];
      gradient = in.weight * slope / tokens;
      if (in.devices == 0) continue;
      const int64_t size = in.experts / in.devices;
      const int64_t d = e / size;
      double load = 0;
      for (int64_t i = d * size; i < (d + 1) * size; ++i) {
        load += devices * of.fraction[i];
      }
      const double traffic = devices / in.devices_per_token * of.sent[d];
      result.device_losses[0] += of.tokens / tokens * load * of.mean[e];
      result.device_losses[1] += of.tokens / tokens * traffic * of.mean[e];
      gradient +=
          (in.device_weight * load + in.communication_weight * traffic) /
          tokens;
    }
  }
  return result;
}

Inputs RandomInputs(int64_t tokens, int64_t experts, int64_t k) {
  return {tokens,
          experts,
          k,
          RandomValues(1, tokens * experts, 0, 1),
          RandomValues(2, tokens, -3, 3),
          RandomIntegers(3, tokens * k, 0, experts - 1),
          RandomIntegers(4, tokens, 0, 1),
          0.01};
}

void ExpectAgreement(Device& device, const Inputs& in, Layout layout = {}) {
  const Result actual = Compute(device, in, layout);
  const Result expected = Oracle(in);
  // Sums of at most 1001 doubles in two orders, and a gradient rounded twice.
  EXPECT_TRUE(AllNear(actual.losses, expected.losses, 0, 1e-12));
  EXPECT_TRUE(AllNear(actual.device_losses, expected.device_losses, 0, 1e-12));
  EXPECT_TRUE(AllNear(actual.gradient, expected.gradient, 0, 0x1p-23));
}

TEST(BalanceLossTest, AgreesWithDoubles) {
  AnyDevice device(2);
  for (const int64_t tokens : {0, 1, 31, 32, 33, 256, 257, 1001}) {
    for (const int64_t experts : {1, 8, 13}) {
      for (const Layout layout : {Layout(), Layout::Strided(3, 1)}) {
        ExpectAgreement(device, RandomInputs(tokens, experts, 2), layout);
      }
    }
  }
  ExpectAgreement(device, RandomInputs(65, 300, 8));
  ExpectAgreement(device, RandomInputs(3, 5000, 2));
}

TEST(BalanceLossTest, AgreesWithDoublesOverSequencesAndDevices) {
  AnyDevice device(2);
  for (const int64_t length : {1, 33, 300}) {
    for (const int64_t choices : {0, 1, 2}) {
      Inputs in = RandomInputs(3 * length, 12, 3);
      in.sequences = 3;
      in.choices = choices;
      in.scale = 1.5;
      ExpectAgreement(device, in);
      in.devices = 4;
      in.device_weight = 0.05;
      in.communication_weight = 0.02;
      in.devices_per_token = 3;
      ExpectAgreement(device, in);
      // A sequence of nothing but padding.
      for (int64_t t = length; t < 2 * length; ++t) in.valid[t] = 0;
      ExpectAgreement(device, in);
    }
  }
}

// Invariant A3: 1 at perfect balance.
TEST(BalanceLossTest, IsOneAtPerfectBalance) {
  AnyDevice device;
  // 16 tokens, 8 experts, top-2: each expert is chosen 4 times, by a token
  // whose two experts are on two of the four devices.
  Inputs in{16, 8, 2, Values(16 * 8, 0.125), Values(16, 2), {}, Values(16, 1)};
  for (int t = 0; t < 16; ++t) {
    in.chosen.push_back(t % 8);
    in.chosen.push_back((t + 2) % 8);
  }
  for (const int64_t choices : {0, 1}) {
    for (const int64_t sequences : {1, 2}) {
      in.choices = choices;
      in.sequences = sequences;
      in.devices = 4;
      in.devices_per_token = 2;
      const Result result = Compute(device, in);
      EXPECT_TRUE(AllEqual(result.losses, {1, 4}));
      EXPECT_TRUE(AllEqual(result.device_losses, {1, 1}));
      EXPECT_TRUE(
          AllEqual(result.gradient, Values(sequences * 8, 8.0 * 0.125 / 16)));
    }
  }
}

// Invariant A3: the number of experts when one takes all.
TEST(BalanceLossTest, IsTheNumberOfExpertsWhenOneTakesAll) {
  AnyDevice device;
  Inputs in{5, 4, 1, {}, Values(5, 0), Values(5, 2), Values(5, 1)};
  for (int t = 0; t < 5; ++t) {
    for (int e = 0; e < 4; ++e) in.probabilities.push_back(e == 2);
  }
  in.devices = 2;
  const Result result = Compute(device, in);
  EXPECT_TRUE(AllEqual(result.losses, {4, 0}));
  EXPECT_TRUE(AllEqual(result.device_losses, {2, 2}));
  // With a second choice elsewhere, E / k, or E where first choices count.
  in.k = 2;
  in.chosen = {2, 0, 2, 1, 2, 3, 2, 0, 2, 1};
  EXPECT_TRUE(AllEqual(Compute(device, in).losses, {2, 0}));
  in.choices = 1;
  EXPECT_TRUE(AllEqual(Compute(device, in).losses, {4, 0}));
}

TEST(BalanceLossTest, ATokenIsSentToADeviceOnce) {
  AnyDevice device;
  // Both choices on device 0: one of M = 2 devices.
  Inputs in{2, 4, 2, {}, {0, 0}, {0, 1, 1, 0}, {1, 1}};
  for (int t = 0; t < 2; ++t) {
    for (int e = 0; e < 4; ++e) in.probabilities.push_back(e < 2 ? 0.5 : 0.0);
  }
  in.devices = 2;
  in.devices_per_token = 2;
  const Result result = Compute(device, in);
  EXPECT_TRUE(AllEqual(result.counts, {2, 2, 0, 0, 2, 0}));
  EXPECT_TRUE(AllEqual(result.device_losses, {2, 1}));
}

TEST(BalanceLossTest, CountsAreAddedToWhatIsThere) {
  AnyDevice device;
  const auto stream = device.NewStream();
  TestTensor chosen(device, DType::kInt32, {3, 1}, Values{1, 0, 1});
  TestTensor valid(device, DType::kUInt8, {3}, Values{1, 1, 1});
  TestTensor counts(device, DType::kInt64, {1, 2}, Values{10, 20});
  ExpertCounts(*stream, {chosen, valid, 0, 0, counts});
  stream->Wait();
  EXPECT_TRUE(AllEqual(counts.Read(), {11, 22}));
}

TEST(BalanceLossTest, OnlyValidTokensCount) {
  AnyDevice device;
  Inputs in{3, 2, 1, {1, 0, 0.25, 0.75, 0, 1}, {1, 2, 3}, {0, 1, 1}, {0, 1, 0}};
  const Result result = Compute(device, in);
  EXPECT_TRUE(AllEqual(result.losses, {1.5, 4}));
  EXPECT_TRUE(AllEqual(result.gradient, {0, 2}));
  in.valid = {0, 0, 0};
  const Result none = Compute(device, in);
  EXPECT_TRUE(AllEqual(none.losses, {0, 0}));
  EXPECT_TRUE(AllEqual(none.gradient, {0, 0}));
}

TEST(BalanceLossTest, NoExpertIsNotCounted) {
  AnyDevice device;
  // Two assignments, one to each expert.
  Inputs in{2, 2, 2, Values(4, 0.5), {0, 0}, {0, -1, -1, 1}, {1, 1}, 1};
  const Result result = Compute(device, in);
  EXPECT_TRUE(AllEqual(result.losses, {1, 0}));
  EXPECT_TRUE(AllEqual(result.gradient, {0.5, 0.5}));
  in.chosen = Values(4, -1);
  const Result none = Compute(device, in);
  EXPECT_TRUE(AllEqual(none.losses, {0, 0}));
  EXPECT_TRUE(AllEqual(none.gradient, {0, 0}));
}

TEST(BalanceLossTest, GradientIsTheDerivativeByProbability) {
  // The losses are linear in each p: one step of any size gives the derivative.
  AnyDevice device;
  Inputs in = RandomInputs(12, 4, 2);
  in.sequences = 3;
  in.devices = 2;
  in.device_weight = 0.5;
  in.communication_weight = 0.25;
  const Result result = Compute(device, in);
  const auto objective = [&](const Inputs& at) {
    const Result losses = Compute(device, at);
    return in.weight * losses.losses[0] +
           in.device_weight * losses.device_losses[0] +
           in.communication_weight * losses.device_losses[1];
  };
  for (int64_t t = 0; t < in.tokens; ++t) {
    for (int64_t e = 0; e < in.experts; ++e) {
      Inputs moved = in;
      moved.probabilities[t * in.experts + e] += 1;
      const double slope = objective(moved) - objective(in);
      const double gradient = result.gradient[t / 4 * in.experts + e];
      // Probabilities and the gradient are fp32.
      EXPECT_NEAR(slope, in.valid[t] * gradient, 1e-6);
    }
  }
}

TEST(BalanceLossTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  SWITCHYARD_CPU_ONLY();
  Inputs in = RandomInputs(1002, 24, 3);
  in.devices = 4;
  in.device_weight = in.communication_weight = 0.01;
  for (const int64_t sequences : {1, 2}) {
    in.sequences = sequences;
    GuardedDevice one(1);
    const Result result = Compute(one, in);
    for (const int threads : {2, 3}) {
      CpuDevice device(threads);
      const Result other = Compute(device, in);
      EXPECT_EQ(other.losses, result.losses);
      EXPECT_EQ(other.device_losses, result.device_losses);
      EXPECT_EQ(other.gradient, result.gradient);
      EXPECT_EQ(other.counts, result.counts);
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels
