// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Learning-rate schedules. Step s counts from 0; W is warmup_steps, S steps, r
// min_ratio and f decay_fraction:
//
//   warm-up     s < W:   peak · (s + 1) / W          (all three)
//   constant    s >= W:  peak
//   cosine      s >= W:  peak · (r + (1 - r) · (1 + cos(π p)) / 2),  b = W
//   wsd         s >= W:  peak · (1 - (1 - r) · p),  b = max(W, S · (1 - f))
//
// with p = (s - b) / (S - 1 - b) within [0, 1]. So the last step, S - 1, has
// the minimum, peak · r, where p is 1 whatever b is. Only a run of one step
// without warm-up, and wsd with f = 0, stay at the peak.
//
// They use the C library's mathematics, so the value of a step is computed on
// rank 0 and sent to the others.
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

// Half a cosine from peak, after the warm-up, to peak · min_ratio (SGDR without
// restarts, 1608.03983).
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
