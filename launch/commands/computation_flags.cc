// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "absl/strings/str_cat.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/kernels/instruction_set.h"
#include "switchyard/launch/commands/flag_groups.h"

namespace switchyard::launch {

void AddTransportFlag(Transport* transport, FlagSet* set) {
  set->AddChoice("transport", transport,
                 {{"auto", Transport::kAuto},
                  {"nccl", Transport::kNccl},
                  {"mpi", Transport::kMpi}},
                 "how a GPU's memory travels; auto: nccl if every rank has a "
                 "GPU of its own");
}

void AddComputationFlags(TrainFlags* flags, FlagSet* set) {
  TrainOptions& o = flags->options;
  set->Group("Computation");
  set->Add("expert_parallel", &o.expert_parallel, "W",
           "ranks that share out the experts",
           "the widest that divides experts, ranks and a node's ranks");
  set->AddChoice("device", &o.device,
                 {{"cpu", DeviceKind::kCpu}, {"cuda", DeviceKind::kCuda}},
                 "where tensors live; cuda: one GPU a rank");
  set->AddChoice("dtype", &o.dtype,
                 {{"fp32", DType::kFloat32}, {"bf16", DType::kBFloat16}},
                 "of weights and activations; bf16 keeps fp32 master weights");
  set->Add("threads", &o.threads, "N", "threads of a rank",
           "its share of the node's cores");
  set->AddChoice("recompute", &o.recompute,
                 {{"none", Recompute::kNone}, {"block", Recompute::kBlock}},
                 "recompute each block in the backward pass to save memory");
  set->AddChoice(
      "determinism", &o.determinism,
      {{"layout", Determinism::kLayout}, {"run", Determinism::kRun}},
      "same bits in every layout (the CPU's default), or from run to "
      "run in one (a GPU's)");
  set->Add("overlap_chunks", &o.overlap_chunks, "N",
           "parts in which a layer's rows travel while experts compute");
  AddTransportFlag(&flags->transport, set);
  set->Add("isa", &o.isa, "NAME", "cap of the instruction set",
           "the best that all ranks have");
  set->Add("comm_timeout", &o.comm_timeout, "SECONDS",
           "how long a rank waits for the others");
}

absl::Status CheckComputationFlags(const TrainFlags& flags) {
  if (flags.options.device == DeviceKind::kCpu &&
      flags.transport != Transport::kAuto) {
    return absl::InvalidArgumentError(
        "expected --transport with --device cuda, found it with the CPU; leave "
        "one of them out");
  }
  if (!flags.options.isa.empty()) {
    return kernels::ParseInstructionSet(flags.options.isa).status();
  }
  return absl::OkStatus();
}

}  // namespace switchyard::launch
