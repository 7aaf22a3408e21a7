// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The capacity factor (Switch Transformer, 2101.03961, section 2.2) as the
// decimal it was written as. An expert takes at most
//
//   ceil(factor · k · T / E)
//
// assignments of a micro-batch of T positions. The ceiling is taken in
// integers: 1.1·2·40/8 is 11; in binary floating point it would be 12.
#ifndef SWITCHYARD_RUNTIME_MOE_CAPACITY_FACTOR_H_
#define SWITCHYARD_RUNTIME_MOE_CAPACITY_FACTOR_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace switchyard {

class CapacityFactor {
 public:
  CapacityFactor() = default;  // dropless

  // Digits with an optional point, such as "0", "1.25" or "2."; at most 9
  // digits on each side. An error names what was found.
  static absl::StatusOr<CapacityFactor> Parse(absl::string_view text);

  // Zero: every assignment is kept.
  bool dropless() const { return numerator_ == 0; }

  // For k choices, T positions (padding included), E experts, all positive.
  // Never more than T, which is all that one expert can get. Not dropless.
  int64_t Capacity(int64_t k, int64_t tokens, int64_t experts) const;

  // As Parse reads it, without trailing zeros.
  std::string ToString() const;

  int64_t numerator() const { return numerator_; }
  int64_t denominator() const { return denominator_; }

 private:
  CapacityFactor(int64_t numerator, int64_t denominator)
      : numerator_(numerator), denominator_(denominator) {}

  int64_t numerator_ = 0;
  int64_t denominator_ = 1;  // a power of ten
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_CAPACITY_FACTOR_H_
