// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "line_printer.h"

#include <charconv>
#include <cstdio>

namespace custom_trainer {
namespace {

std::string Digits(double value) {
  char digits[32];
  const auto result = std::to_chars(digits, digits + sizeof(digits), value);
  return std::string(digits, result.ptr);
}

}  // namespace

void PrintStep(const StepReport& report) {
  std::printf(
      "{\"step\": %lld, \"loss\": %s, \"grad_norm\": %s, "
      "\"learning_rate\": %s}\n",
      static_cast<long long>(report.step), Digits(report.loss).c_str(),
      Digits(report.grad_norm).c_str(), Digits(report.learning_rate).c_str());
  std::fflush(stdout);
}

void PrintChecksum(const std::string& weights_checksum) {
  std::printf("{\"weights_checksum\": \"%s\"}\n", weights_checksum.c_str());
  std::fflush(stdout);
}

}  // namespace custom_trainer
