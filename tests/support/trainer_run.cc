// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/trainer_run.h"

#include <memory>
#include <utility>

#include "switchyard/base/status.h"
#include "switchyard/comm/thread/thread_communicator.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {

absl::Status WithTrainers(const Layout& layout, TrainOptions options,
                          const TrainerBody& body) {
  options = OptionsFor(layout, std::move(options));
  return comm::RunRanks(
      layout.ranks, {}, [&](comm::Communicator& world) -> absl::Status {
        const std::unique_ptr<Device> device = MakeDevice(layout);
        SyntheticData data(options.model.vocabulary, options.seq_len,
                           options.global_batch);
        TrainerParts parts;
        parts.data = &data;
        SWITCHYARD_ASSIGN_OR_RETURN(
            const std::unique_ptr<Trainer> trainer,
            Trainer::Create(options, world, *device, std::move(parts)));
        return body(*trainer);
      });
}

}  // namespace switchyard::testing
