// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Words for what was found.
#ifndef SWITCHYARD_TESTS_EMULATION_RACES_DESCRIBE_H_
#define SWITCHYARD_TESTS_EMULATION_RACES_DESCRIBE_H_

#include <cstddef>
#include <string>

#include "races/shadow.h"

namespace switchyard::emulation {

// "reads", "writes", "updates".
const char* VerbOf(AccessKind kind);
// "file.cu:12 (Function)" for an address of code, as far as debug information
// and addr2line tell.
std::string DescribeCode(const void* pc);
// "byte 12 of 64 of an allocation of device 0".
std::string DescribeAddress(const void* address);
// What the address, which belongs to nothing, lies behind.
std::string DescribeBefore(const void* address);
// Who made the access that is remembered, and why `now` is not ordered behind.
std::string DescribePrevious(const Record& before, const Record& now,
                             bool wrote);

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_RACES_DESCRIBE_H_
