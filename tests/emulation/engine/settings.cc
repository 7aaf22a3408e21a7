// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "emulation/control.h"

namespace switchyard::emulation {
namespace {

[[noreturn]] void Refuse(const char* name, const char* value,
                         const char* expected) {
  std::fprintf(stderr, "%s: expected %s, found '%s'\n", name, expected, value);
  std::exit(2);
}

template <typename T>
void ReadNumber(const char* name, T& number) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return;
  char* end = nullptr;
  const unsigned long long parsed = std::strtoull(value, &end, 10);
  if (end == value || *end != '\0') Refuse(name, value, "a number");
  number = static_cast<T>(parsed);
}

void ReadOrder(Order& order) {
  constexpr char kName[] = "SWITCHYARD_EMULATION_ORDER";
  const char* const value = std::getenv(kName);
  if (value == nullptr) return;
  const std::string_view text = value;
  if (text == "forward") {
    order = Order::kForward;
  } else if (text == "reverse") {
    order = Order::kReverse;
  } else if (text == "random") {
    order = Order::kRandom;
  } else if (text == "skew") {
    order = Order::kSkew;
  } else {
    Refuse(kName, value, "forward, reverse, random or skew");
  }
}

void ReadStreams(Streams& streams) {
  constexpr char kName[] = "SWITCHYARD_EMULATION_STREAMS";
  const char* const value = std::getenv(kName);
  if (value == nullptr) return;
  const std::string_view text = value;
  if (text != "sync" && text != "threads") {
    Refuse(kName, value, "sync or threads");
  }
  if (text == "threads") streams = Streams::kThreads;
}

Settings FromEnvironment() {
  Settings settings;
  ReadOrder(settings.order);
  ReadStreams(settings.streams);
  ReadNumber("SWITCHYARD_EMULATION_SEED", settings.seed);
  ReadNumber("SWITCHYARD_EMULATION_POISON", settings.poison);
  ReadNumber("SWITCHYARD_EMULATION_DEVICES", settings.devices);
  ReadNumber("SWITCHYARD_EMULATION_MEMORY", settings.memory_bytes);
  ReadNumber("SWITCHYARD_EMULATION_SHARED", settings.shared_bytes_opt_in);
  return settings;
}

}  // namespace

Settings& settings() {
  static Settings settings = FromEnvironment();
  return settings;
}

}  // namespace switchyard::emulation
