// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/optim/schedule.h"

#include "gtest/gtest.h"

namespace switchyard {
namespace {

constexpr ScheduleShape kShape = {.peak = 2.0,
                                  .min_ratio = 0.1,
                                  .warmup_steps = 4,
                                  .steps = 101,
                                  .decay_fraction = 0.5};

TEST(ScheduleTest, WarmUpRisesInEqualStepsToThePeak) {
  const ConstantSchedule constant(kShape);
  EXPECT_DOUBLE_EQ(constant.LearningRate(0), 0.5);
  EXPECT_DOUBLE_EQ(constant.LearningRate(3), 2.0);
  EXPECT_DOUBLE_EQ(constant.LearningRate(100), 2.0);
  EXPECT_DOUBLE_EQ(CosineSchedule(kShape).LearningRate(1), 1.0);
}

TEST(ScheduleTest, CosineFallsFromThePeakToTheMinimumAtTheLastStep) {
  const CosineSchedule cosine(kShape);
  EXPECT_DOUBLE_EQ(cosine.LearningRate(4), 2.0);
  EXPECT_DOUBLE_EQ(cosine.LearningRate(52), 1.1) << "half way";
  EXPECT_NEAR(cosine.LearningRate(100), 0.2, 1e-15);
}

TEST(ScheduleTest, WarmupStableDecayFallsLinearlyInItsLastPart) {
  const WarmupStableDecaySchedule schedule(kShape);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(50), 2.0);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(100), 0.2);
  EXPECT_NEAR(schedule.LearningRate(75), 1.1, 0.02);
}

TEST(ScheduleTest, WithoutWarmUpTheFirstStepHasThePeak) {
  ScheduleShape shape = kShape;
  shape.warmup_steps = 0;
  EXPECT_DOUBLE_EQ(CosineSchedule(shape).LearningRate(0), 2.0);
  shape.steps = 1;
  EXPECT_DOUBLE_EQ(CosineSchedule(shape).LearningRate(0), 2.0);
}

}  // namespace
}  // namespace switchyard
