// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// use_nccl.h in a program that was built without CUDA.
#include "switchyard/comm/nccl/use_nccl.h"

namespace switchyard::comm {

absl::Status UseNccl(Communicator& /*world*/, Device& /*device*/,
                     double /*timeout_seconds*/) {
  return absl::UnimplementedError(
      "expected NCCL, but this program was built without CUDA; configure it "
      "with -DSWITCHYARD_CUDA=ON");
}

void LeaveNccl(Communicator& /*world*/) {}

}  // namespace switchyard::comm
