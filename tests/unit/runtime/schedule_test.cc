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

// 10 steps of warm-up, and a decay that would have begun at step 4: it begins
// where the warm-up ended, at step 10 of 0 .. 19.
TEST(ScheduleTest, AWarmUpThatReachesIntoTheDecayEndsAtThePeak) {
  const WarmupStableDecaySchedule schedule({.peak = 2.0,
                                            .min_ratio = 0.1,
                                            .warmup_steps = 10,
                                            .steps = 20,
                                            .decay_fraction = 0.8});
  EXPECT_DOUBLE_EQ(schedule.LearningRate(9), 2.0);
  EXPECT_DOUBLE_EQ(schedule.LearningRate(10), 2.0);
  for (int64_t step = 11; step < 20; ++step) {
    EXPECT_NEAR(schedule.LearningRate(step - 1) - schedule.LearningRate(step),
                2.0 * 0.9 / 9, 1e-12)
        << step;
  }
  EXPECT_DOUBLE_EQ(schedule.LearningRate(19), 0.2);
}

TEST(ScheduleTest, ADecayMayTakeTheWholeRun) {
  const WarmupStableDecaySchedule schedule({.peak = 2.0,
                                            .min_ratio = 0.5,
                                            .warmup_steps = 0,
                                            .steps = 5,
                                            .decay_fraction = 1.0});
  for (int64_t step = 0; step < 5; ++step) {
    EXPECT_DOUBLE_EQ(schedule.LearningRate(step),
                     2.0 - static_cast<double>(step) / 4);
  }
}

TEST(ScheduleTest, TheLastStepHasTheMinimumHoweverLittleIsLeft) {
  ScheduleShape shape = kShape;
  shape.warmup_steps = shape.steps - 1;
  for (const double fraction : {0.001, 0.01, 0.5, 1.0}) {
    shape.decay_fraction = fraction;
    const WarmupStableDecaySchedule decay(shape);
    EXPECT_DOUBLE_EQ(decay.LearningRate(shape.steps - 2), 2.0) << fraction;
    EXPECT_DOUBLE_EQ(decay.LearningRate(shape.steps - 1), 0.2) << fraction;
  }
  EXPECT_NEAR(CosineSchedule(shape).LearningRate(shape.steps - 1), 0.2, 1e-15);
  shape.decay_fraction = 0.0;
  EXPECT_DOUBLE_EQ(
      WarmupStableDecaySchedule(shape).LearningRate(shape.steps - 1), 2.0)
      << "no decay";
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
