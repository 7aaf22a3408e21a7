// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/processor.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "hwy/targets.h"
#include "oneapi/dnnl/dnnl.h"
#include "switchyard/kernels/cpu/dispatch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace switchyard::kernels::cpu {
namespace {

#if defined(__x86_64__)
struct Leaf7 {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf7 ReadLeaf7(unsigned subleaf) {
  Leaf7 leaf;
  __get_cpuid_count(7, subleaf, &leaf.eax, &leaf.ebx, &leaf.ecx, &leaf.edx);
  return leaf;
}

bool HasAvx512Bf16() { return (ReadLeaf7(1).eax >> 5) & 1; }

// Linux gives the tile registers to processes that ask: they make every signal
// frame 8 KiB larger, so nobody gets them by looking at what there is.
#if defined(__linux__) && defined(SYS_arch_prctl)
constexpr int kTileData = 18;

bool SystemOffersTiles() {
  constexpr int kGetSupported = 0x1021;  // ARCH_GET_XCOMP_SUPP
  unsigned long supported = 0;
  return syscall(SYS_arch_prctl, kGetSupported, &supported) == 0 &&
         ((supported >> kTileData) & 1) != 0;
}
bool RequestTiles() {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#else
bool SystemOffersTiles() { return false; }
bool RequestTiles() { return false; }
#endif

bool HasAmx() {
  const unsigned features = ReadLeaf7(0).edx;
  const bool has_bf16 = (features >> 22) & 1, has_tile = (features >> 24) & 1;
  return has_bf16 && has_tile && SystemOffersTiles();
}
#else
bool HasAvx512Bf16() { return false; }
bool HasAmx() { return false; }
bool RequestTiles() { return false; }
#endif

dnnl_cpu_isa_t OneDnnName(InstructionSet isa) {
  switch (isa) {
    case InstructionSet::kBaseline:
      return dnnl_cpu_isa_sse41;
    case InstructionSet::kAvx2:
      return dnnl_cpu_isa_avx2;
    case InstructionSet::kAvx512:
      return dnnl_cpu_isa_avx512_core;
    case InstructionSet::kAvx512Bf16:
      return dnnl_cpu_isa_avx512_core_bf16;
    case InstructionSet::kAmx:
      return dnnl_cpu_isa_avx512_core_amx;
  }
  return dnnl_cpu_isa_sse41;
}

// The widest of ours that oneDNN uses once it is fixed. A name's bits include
// those of the sets below it.
InstructionSet WidestOfOneDnn() {
  const int effective = dnnl_get_effective_cpu_isa();
  int widest = static_cast<int>(InstructionSet::kBaseline);
  for (int isa = widest; isa <= static_cast<int>(InstructionSet::kAmx); ++isa) {
    const int name = OneDnnName(static_cast<InstructionSet>(isa));
    if ((effective & name) == name) widest = isa;
  }
  return static_cast<InstructionSet>(widest);
}

}  // namespace

InstructionSet DetectInstructionSet() {
  const int64_t targets = hwy::SupportedTargets();
  if ((targets & HWY_AVX2) == 0) return InstructionSet::kBaseline;
  if ((targets & HWY_AVX3) == 0) return InstructionSet::kAvx2;
  if (!HasAvx512Bf16()) return InstructionSet::kAvx512;
  return HasAmx() ? InstructionSet::kAmx : InstructionSet::kAvx512Bf16;
}

absl::Status LimitInstructionSet(InstructionSet isa) {
  if (isa == InstructionSet::kAmx && !RequestTiles()) {
    return absl::FailedPreconditionError(
        "expected the system to let this process use AMX tiles, found that it "
        "refuses; ask for avx512_bf16");
  }
  if (dnnl_set_max_cpu_isa(OneDnnName(isa)) != dnnl_success) {
    // The host program used oneDNN or limited it: fine if that comes to the
    // same.
    const InstructionSet found =
        std::min(WidestOfOneDnn(), DetectInstructionSet());
    if (found != isa) {
      return absl::FailedPreconditionError(absl::StrCat(
          "expected to limit oneDNN to ", NameOf(isa),
          ", found that this process fixed it to ", NameOf(found),
          " before; set the instruction set before oneDNN is used, or ask for ",
          NameOf(found)));
    }
  }
  SetHighwayTarget(isa);
  return absl::OkStatus();
}

}  // namespace switchyard::kernels::cpu
