// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers as people read them.
#ifndef SWITCHYARD_BASE_NUMBER_TEXT_H_
#define SWITCHYARD_BASE_NUMBER_TEXT_H_

#include <cstdint>
#include <string>

namespace switchyard {

// 46702792704 is "46,702,792,704".
std::string GroupedText(int64_t number);

// Decimal units, as limits and disks are written: 131072 is "131.1 kB".
std::string ByteText(int64_t bytes);

// 3725 is "1:02:05", 65 is "1:05".
std::string DurationText(double seconds);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_NUMBER_TEXT_H_
