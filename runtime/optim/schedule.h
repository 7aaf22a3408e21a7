// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Learning-rate schedules. They use the C library's mathematics, so the value
// of a step is computed on rank 0 and sent to the others.
#ifndef SWITCHYARD_RUNTIME_OPTIM_SCHEDULE_H_
#define SWITCHYARD_RUNTIME_OPTIM_SCHEDULE_H_

#include <cstdint>

namespace switchyard {

class LearningRateSchedule {
 public:
  virtual ~LearningRateSchedule() = default;
  // The rate of step `step`, counted from 0.
  virtual double LearningRate(int64_t step) const = 0;
};

struct ScheduleShape {
  double peak = 0.0;
  double min_ratio = 0.0;    // of peak, at the last step
  int64_t warmup_steps = 0;  // linear from peak/warmup_steps to peak
  int64_t steps = 0;
  double decay_fraction = 0.0;  // of steps, at the end (warmup-stable-decay)
};

class ConstantSchedule : public LearningRateSchedule {
 public:
  explicit ConstantSchedule(const ScheduleShape& shape) : shape_(shape) {}
  double LearningRate(int64_t step) const override;

 private:
  ScheduleShape shape_;
};

// Half a cosine from peak, after the warm-up, to peak · min_ratio.
class CosineSchedule : public LearningRateSchedule {
 public:
  explicit CosineSchedule(const ScheduleShape& shape) : shape_(shape) {}
  double LearningRate(int64_t step) const override;

 private:
  ScheduleShape shape_;
};

// Constant, then linear to peak · min_ratio (MiniCPM, 2404.06395).
class WarmupStableDecaySchedule : public LearningRateSchedule {
 public:
  explicit WarmupStableDecaySchedule(const ScheduleShape& shape)
      : shape_(shape) {}
  double LearningRate(int64_t step) const override;

 private:
  ScheduleShape shape_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_OPTIM_SCHEDULE_H_
