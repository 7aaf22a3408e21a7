// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// `switchyard verify-layouts`: a few steps of the user's own run on one rank
// and on other layouts, compared bit for bit.
#ifndef SWITCHYARD_LAUNCH_COMMANDS_VERIFY_LAYOUTS_H_
#define SWITCHYARD_LAUNCH_COMMANDS_VERIFY_LAYOUTS_H_

#include <functional>
#include <string>

#include "absl/types/span.h"
#include "switchyard/runtime/plan/rank_layout.h"
#include "switchyard/runtime/train/layout_record.h"
#include "switchyard/runtime/train/trainer.h"

namespace switchyard::launch {

// A rank's own routers, losses and schedule; the data are those of the flags.
using PartsOfRank = std::function<TrainerParts(const comm::Communicator&)>;

// `arguments` are those after "verify-layouts". Alone, layouts are threads of
// this process; under a launcher its ranks are compared with one. Prints a
// table and returns the exit code of the process: 0 if all bits agree, else 1.
// Without `parts` the trainer has those that the flags describe.
int VerifyLayouts(absl::Span<const std::string> arguments,
                  const PartsOfRank& parts = nullptr);

// One row of the table: of a layout that was compared with one rank. Where
// gradients differ, a line below it says in which step and parameter first.
std::string LayoutRow(const RankLayout& layout,
                      const LayoutDifferences& differences);

// OK if nothing differs, else a sentence that names the layout and what.
absl::Status Verdict(const RankLayout& layout,
                     const LayoutDifferences& differences);

}  // namespace switchyard::launch

#endif  // SWITCHYARD_LAUNCH_COMMANDS_VERIFY_LAYOUTS_H_
