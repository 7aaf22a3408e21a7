// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// How this room calls the handler that SetFatalHandler (check.h) was given.
#ifndef SWITCHYARD_BASE_FATAL_HANDLER_H_
#define SWITCHYARD_BASE_FATAL_HANDLER_H_

#include <string>

namespace switchyard::internal {

void CallFatalHandler(const std::string& message);

}  // namespace switchyard::internal

#endif  // SWITCHYARD_BASE_FATAL_HANDLER_H_
