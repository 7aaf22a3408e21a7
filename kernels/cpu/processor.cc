// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/processor.h"

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

// Linux gives the tile registers to processes that ask.
bool HasAmx() {
  const unsigned features = ReadLeaf7(0).edx;
  const bool has_bf16 = (features >> 22) & 1, has_tile = (features >> 24) & 1;
  if (!has_bf16 || !has_tile) return false;
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#else
bool HasAvx512Bf16() { return false; }
bool HasAmx() { return false; }
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

}  // namespace

InstructionSet DetectInstructionSet() {
  const int64_t targets = hwy::SupportedTargets();
  if ((targets & HWY_AVX2) == 0) return InstructionSet::kBaseline;
  if ((targets & HWY_AVX3) == 0) return InstructionSet::kAvx2;
  if (!HasAvx512Bf16()) return InstructionSet::kAvx512;
  return HasAmx() ? InstructionSet::kAmx : InstructionSet::kAvx512Bf16;
}

bool LimitInstructionSet(InstructionSet isa) {
  SetHighwayTarget(isa);
  return dnnl_set_max_cpu_isa(OneDnnName(isa)) == dnnl_success;
}

}  // namespace switchyard::kernels::cpu
