// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/instruction_set.h"

#include <atomic>
#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/kernels/cpu/processor.h"

namespace switchyard::kernels {
namespace {

constexpr const char* kNames[] = {"baseline", "avx2", "avx512", "avx512_bf16",
                                  "amx"};
constexpr int kNotFixed = -1;

std::mutex fixing;
std::atomic<int> fixed{kNotFixed};

}  // namespace

const char* NameOf(InstructionSet isa) { return kNames[static_cast<int>(isa)]; }

absl::StatusOr<InstructionSet> ParseInstructionSet(std::string_view name) {
  std::string known;
  for (int i = 0; i < static_cast<int>(std::size(kNames)); ++i) {
    if (name == kNames[i]) return static_cast<InstructionSet>(i);
    absl::StrAppend(&known, i == 0 ? "" : ", ", kNames[i]);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("expected an instruction set, found \"", std::string(name),
                   "\"; give one of: ", known));
}

InstructionSet BestInstructionSet() {
  static const InstructionSet best = cpu::DetectInstructionSet();
  return best;
}

absl::Status SetInstructionSet(InstructionSet isa) {
  const std::lock_guard<std::mutex> lock(fixing);
  const int wanted = static_cast<int>(isa);
  const int current = fixed.load(std::memory_order_relaxed);
  if (current == wanted) return absl::OkStatus();
  if (current != kNotFixed) {
    return absl::FailedPreconditionError(
        absl::StrCat("expected to fix the instruction set to ", NameOf(isa),
                     ", found that this process already uses ", kNames[current],
                     "; set it before the first operator"));
  }
  if (isa > BestInstructionSet()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a processor with ", NameOf(isa),
                     ", found one with ", NameOf(BestInstructionSet()),
                     "; ask for that or a lesser instruction set"));
  }
  const absl::Status limited = cpu::LimitInstructionSet(isa);
  if (!limited.ok()) return limited;
  fixed.store(wanted, std::memory_order_release);
  return absl::OkStatus();
}

InstructionSet CurrentInstructionSet() {
  const int current = fixed.load(std::memory_order_acquire);
  if (current != kNotFixed) return static_cast<InstructionSet>(current);
  // A host program that limited oneDNN gets the set that it chose. If another
  // thread fixes one meanwhile, that one counts.
  for (int isa = static_cast<int>(BestInstructionSet()); isa >= 0; --isa) {
    (void)SetInstructionSet(static_cast<InstructionSet>(isa));
    const int now = fixed.load(std::memory_order_acquire);
    if (now != kNotFixed) return static_cast<InstructionSet>(now);
  }
  SWITCHYARD_CHECK(false) << "no instruction set can be used";
  return InstructionSet::kBaseline;
}

InstructionSet WidestInstructionSet() {
  const int current = fixed.load(std::memory_order_acquire);
  return current == kNotFixed ? BestInstructionSet()
                              : static_cast<InstructionSet>(current);
}

bool HasBFloat16Products() {
  return CurrentInstructionSet() >= InstructionSet::kAvx512Bf16;
}

}  // namespace switchyard::kernels
