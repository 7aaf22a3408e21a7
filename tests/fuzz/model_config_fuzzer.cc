// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "switchyard/runtime/nn/model_config.h"

// What is accepted, written and read again, is the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const auto config = switchyard::ParseModelConfig(
      {reinterpret_cast<const char*>(bytes), size}, "fuzz");
  if (!config.ok()) return 0;
  const std::string written = ToJson(*config);
  const auto again = switchyard::ParseModelConfig(written, "fuzz");
  if (!again.ok() || ToJson(*again) != written) std::abort();
  return 0;
}
