// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The floating-point mode of operators: round to nearest even, denormals kept,
// no traps. A host program may have set another (flush to zero is common), so
// every operator sets it on entry, in each of its threads, and puts the old one
// back. Processors' bf16 products (AVX512-BF16, AMX) do not look at it: they
// flush denormals and round to nearest even whatever it is.
#ifndef SWITCHYARD_BASE_CPU_FLOATING_POINT_MODE_H_
#define SWITCHYARD_BASE_CPU_FLOATING_POINT_MODE_H_

#if defined(__SSE__)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

namespace switchyard {

class ScopedFloatingPointMode {
 public:
#if defined(__SSE__)
  ScopedFloatingPointMode() : saved_(_mm_getcsr()) {
    if (differs()) _mm_setcsr(kDefault);
  }
  ~ScopedFloatingPointMode() {
    if (differs()) _mm_setcsr(saved_);
  }

 private:
  static constexpr unsigned kDefault = 0x1f80;
  static constexpr unsigned kStickyFlags = 0x3f;  // what happened, not a mode
  bool differs() const { return (saved_ & ~kStickyFlags) != kDefault; }

  const unsigned saved_;
#else
  ScopedFloatingPointMode() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~ScopedFloatingPointMode() { std::fesetenv(&saved_); }

 private:
  std::fenv_t saved_;
#endif

 public:
  ScopedFloatingPointMode(const ScopedFloatingPointMode&) = delete;
  ScopedFloatingPointMode& operator=(const ScopedFloatingPointMode&) = delete;
};

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_CPU_FLOATING_POINT_MODE_H_
