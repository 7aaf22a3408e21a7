// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/optim/schedule.h"

#include <algorithm>
#include <cmath>

namespace switchyard {
namespace {

bool InWarmup(const ScheduleShape& shape, int64_t step) {
  return step < shape.warmup_steps;
}

double WarmupRate(const ScheduleShape& shape, int64_t step) {
  return shape.peak * static_cast<double>(step + 1) /
         static_cast<double>(shape.warmup_steps);
}

// How much of [begin, steps - 1] has passed at `step`, 0 to 1. The last step of
// several has 1, also where nothing but it is left after the warm-up.
double Progress(const ScheduleShape& shape, double begin, int64_t step) {
  const int64_t last = shape.steps - 1;
  if (step >= last) return last > 0 ? 1.0 : 0.0;
  const double length = static_cast<double>(last) - begin;
  if (length <= 0.0) return 0.0;
  return std::clamp((static_cast<double>(step) - begin) / length, 0.0, 1.0);
}

}  // namespace

double ConstantSchedule::LearningRate(int64_t step) const {
  return InWarmup(shape_, step) ? WarmupRate(shape_, step) : shape_.peak;
}

double CosineSchedule::LearningRate(int64_t step) const {
  if (InWarmup(shape_, step)) return WarmupRate(shape_, step);
  const double progress =
      Progress(shape_, static_cast<double>(shape_.warmup_steps), step);
  const double half = 0.5 * (1.0 + std::cos(std::acos(-1.0) * progress));
  return shape_.peak * (shape_.min_ratio + (1.0 - shape_.min_ratio) * half);
}

double WarmupStableDecaySchedule::LearningRate(int64_t step) const {
  if (InWarmup(shape_, step)) return WarmupRate(shape_, step);
  if (shape_.decay_fraction <= 0.0) return shape_.peak;
  // A warm-up that reaches into the decay takes its place: the rate falls from
  // the peak that it ended at, not from somewhere below.
  const double begin = std::max(
      static_cast<double>(shape_.warmup_steps),
      static_cast<double>(shape_.steps) * (1.0 - shape_.decay_fraction));
  const double progress = Progress(shape_, begin, step);
  return shape_.peak * (1.0 - (1.0 - shape_.min_ratio) * progress);
}

}  // namespace switchyard
