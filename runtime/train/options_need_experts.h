// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What an option can mean to a model whose layers are all dense: nothing. Said
// by name, since silence would let a run look like what it is not.
#ifndef SWITCHYARD_RUNTIME_TRAIN_OPTIONS_NEED_EXPERTS_H_
#define SWITCHYARD_RUNTIME_TRAIN_OPTIONS_NEED_EXPERTS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "switchyard/runtime/train/options.h"

namespace switchyard {

// The sentence about one flag that was given.
absl::Status NeedsExperts(absl::string_view flag, absl::string_view value);

// An error for the first option about experts that is not its default, if the
// model has none. The model's own coefficients are part of it, and may stand
// there unused.
absl::Status CheckOptionsThatNeedExperts(const TrainOptions& options);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_TRAIN_OPTIONS_NEED_EXPERTS_H_
