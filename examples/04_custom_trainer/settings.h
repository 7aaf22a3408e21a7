// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What this trainer does not leave to its caller. README.md has the flags of
// `switchyard train` that say the same.
#ifndef CUSTOM_TRAINER_SETTINGS_H_
#define CUSTOM_TRAINER_SETTINGS_H_

#include <cstdint>

namespace custom_trainer {

inline constexpr uint64_t kSeed = 7;
inline constexpr int64_t kSequenceLength = 128;
inline constexpr int64_t kGlobalBatch = 8;  // sequences of a step
inline constexpr int64_t kMicroBatch = 2;   // sequences that go through at once
inline constexpr int64_t kMicroBatches = kGlobalBatch / kMicroBatch;

inline constexpr int64_t kSteps = 20;
inline constexpr int64_t kWarmupSteps = 5;
inline constexpr double kLearningRate = 2e-3;
inline constexpr double kMinLearningRateRatio = 0.1;
inline constexpr double kWeightDecay = 0.1;
inline constexpr double kClipNorm = 1.0;

// Gradients are summed as 64-bit integers in units of 2^-kFractionBits.
inline constexpr int kFractionBits = 44;

}  // namespace custom_trainer

#endif  // CUSTOM_TRAINER_SETTINGS_H_
