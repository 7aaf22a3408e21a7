// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A trainer on every rank of a layout. Ranks are threads of the test, and their
// text is synthetic.
#ifndef SWITCHYARD_TESTS_SUPPORT_TRAINER_RUN_H_
#define SWITCHYARD_TESTS_SUPPORT_TRAINER_RUN_H_

#include <functional>

#include "absl/status/status.h"
#include "switchyard/comm/communicator.h"
#include "switchyard/runtime/train/trainer.h"
#include "switchyard/tests/support/layout_run.h"

namespace switchyard::testing {

// What one rank does with its trainer. The world is that of the trainer's grid.
using TrainerBody = std::function<absl::Status(Trainer& trainer)>;

// Runs `body` on every rank of a layout with a trainer of its own.
absl::Status WithTrainers(const Layout& layout, TrainOptions options,
                          const TrainerBody& body);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_SUPPORT_TRAINER_RUN_H_
