// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/deferred_gradients.h"

#include <cmath>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/kernels/segments.h"
#include "switchyard/tests/support/test_tensor.h"

namespace switchyard {
namespace {

using testing::TestTensor;

// One segment for each expert. All operands are 1, so that every element of an
// expert's gradient becomes the number of its rows, exactly.
class Layer {
 public:
  Layer(Device& device, const std::vector<int64_t>& rows_of_expert) {
    int64_t row = 0;
    std::vector<double> filled;
    for (size_t e = 0; e < rows_of_expert.size(); ++e) {
      const int64_t rows = rows_of_expert[e];
      const int64_t padded = kernels::PaddedRows(rows);
      segments_.push_back({static_cast<int>(e), row, rows, padded});
      row += padded;
      filled.insert(filled.end(), rows, 1.0);
      filled.insert(filled.end(), padded - rows, 0.0);
      AddSums(device);
    }
    operands_.emplace_back(device, DType::kFloat32, Shape{row, 1}, filled);
    operands_.emplace_back(device, DType::kFloat32, Shape{row, 1}, filled);
  }

  kernels::GroupedWeightGradientArgs args() const {
    kernels::GroupedWeightGradientArgs args;
    args.dy = operands_[0];
    args.x = operands_[1];
    args.segments = segments_;
    args.format.fraction_bits = kBits;
    args.gradients = gradients_;
    return args;
  }

  // Of each expert.
  std::vector<double> Gradients() const {
    std::vector<double> values;
    for (const TestTensor& sum : sums_) {
      values.push_back(std::ldexp(sum.Read()[0], -kBits));
    }
    return values;
  }

 private:
  static constexpr int kBits = 20;

  void AddSums(Device& device) {
    const std::vector<double> zero = {0.0};
    sums_.emplace_back(device, DType::kInt64, Shape{1, 1}, zero);
    refused_.emplace_back(device, DType::kInt64, Shape{1}, zero);
    gradients_.push_back({sums_.back().view(), refused_.back().view()});
  }

  std::vector<kernels::Segment> segments_;
  std::vector<kernels::GradientSum> gradients_;
  std::deque<TestTensor> operands_, sums_, refused_;
};

using Values = std::vector<double>;

// On a stream that runs late: what was put off twice must still be right.
class DeferredGradientsTest : public ::testing::Test {
 protected:
  DeferredGradientsTest() : stream_(device_.NewStream()) {}

  bool MakeOne() {
    const bool made = deferred_.MakeOne(*stream_);
    stream_->Wait();
    return made;
  }
  void MakeUntil(int64_t count) {
    deferred_.MakeUntil(*stream_, count);
    stream_->Wait();
  }

  GuardedDevice device_;
  std::unique_ptr<Stream> stream_;
  DeferredGradients deferred_{/*most=*/4};
};

TEST_F(DeferredGradientsTest, NothingIsLeftWhereNothingWasAdded) {
  EXPECT_FALSE(MakeOne());
  deferred_.MakeAll(*stream_);
  EXPECT_EQ(deferred_.added(), 0);
}

TEST_F(DeferredGradientsTest, MakesOneSegmentAtATimeTheOldestFirst) {
  const Layer first(device_, {3, 5}), second(device_, {2, 4});
  deferred_.Add(first.args());
  deferred_.Add(second.args());
  EXPECT_EQ(deferred_.added(), 2);
  EXPECT_EQ(first.Gradients(), (Values{0, 0})) << "they were put off";
  EXPECT_TRUE(MakeOne());
  EXPECT_EQ(first.Gradients(), (Values{3, 0}));
  EXPECT_TRUE(MakeOne());
  EXPECT_EQ(first.Gradients(), (Values{3, 5}));
  EXPECT_EQ(second.Gradients(), (Values{0, 0}));
  EXPECT_TRUE(MakeOne());
  EXPECT_TRUE(MakeOne());
  EXPECT_EQ(second.Gradients(), (Values{2, 4}));
  EXPECT_FALSE(MakeOne());
}

TEST_F(DeferredGradientsTest, SegmentsWithoutRowsTakeNoTurn) {
  const Layer gaps(device_, {0, 3, 0, 5, 0}), none(device_, {}),
      empty(device_, {0, 0}), last(device_, {7});
  for (const Layer* layer : {&gaps, &none, &empty, &last}) {
    deferred_.Add(layer->args());
  }
  EXPECT_TRUE(MakeOne());
  EXPECT_TRUE(MakeOne());
  EXPECT_EQ(gaps.Gradients(), (Values{0, 3, 0, 5, 0}));
  EXPECT_TRUE(MakeOne());
  EXPECT_EQ(last.Gradients(), (Values{7}));
  EXPECT_FALSE(MakeOne());
}

// As the backward pass of a layer ends those of the layer above.
TEST_F(DeferredGradientsTest, MakesTheFirstOnesThatWereEverAdded) {
  const Layer first(device_, {3, 5}), second(device_, {2, 4});
  deferred_.Add(first.args());
  deferred_.Add(second.args());
  EXPECT_TRUE(MakeOne());
  MakeUntil(1);
  EXPECT_EQ(first.Gradients(), (Values{3, 5})) << "none of it twice";
  EXPECT_EQ(second.Gradients(), (Values{0, 0}));
  MakeUntil(1);
  EXPECT_EQ(second.Gradients(), (Values{0, 0})) << "they are made";
  MakeUntil(2);
  EXPECT_EQ(second.Gradients(), (Values{2, 4}));

  const Layer third(device_, {6});
  deferred_.Add(third.args());
  EXPECT_EQ(deferred_.added(), 3);
  MakeUntil(2);
  EXPECT_EQ(third.Gradients(), (Values{0}));
  MakeUntil(3);
  EXPECT_EQ(third.Gradients(), (Values{6}));
}

TEST_F(DeferredGradientsTest, OneIsAddedWhileAnotherIsHalfMade) {
  const Layer first(device_, {3, 5}), second(device_, {2});
  deferred_.Add(first.args());
  EXPECT_TRUE(MakeOne());
  deferred_.Add(second.args());
  deferred_.MakeAll(*stream_);
  stream_->Wait();
  EXPECT_EQ(first.Gradients(), (Values{3, 5}));
  EXPECT_EQ(second.Gradients(), (Values{2}));
  EXPECT_FALSE(MakeOne());
}

}  // namespace
}  // namespace switchyard
