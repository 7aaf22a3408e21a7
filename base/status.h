// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Macros for absl::Status, the channel of every error that a caller, a file or
// the environment can cause. A message is one sentence: what was expected,
// what was found, what to do.
//
//   SWITCHYARD_RETURN_IF_ERROR(Load(path));
//   SWITCHYARD_ASSIGN_OR_RETURN(const ModelConfig config, ReadConfig(path));
#ifndef SWITCHYARD_BASE_STATUS_H_
#define SWITCHYARD_BASE_STATUS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define SWITCHYARD_RETURN_IF_ERROR(expression)         \
  do {                                                 \
    if (absl::Status switchyard_status = (expression); \
        !switchyard_status.ok()) {                     \
      return switchyard_status;                        \
    }                                                  \
  } while (false)

#define SWITCHYARD_STATUS_CONCAT_INNER(a, b) a##b
#define SWITCHYARD_STATUS_CONCAT(a, b) SWITCHYARD_STATUS_CONCAT_INNER(a, b)

#define SWITCHYARD_ASSIGN_OR_RETURN(declaration, expression)                  \
  SWITCHYARD_ASSIGN_OR_RETURN_INNER(                                          \
      SWITCHYARD_STATUS_CONCAT(switchyard_status_or_, __LINE__), declaration, \
      expression)

#define SWITCHYARD_ASSIGN_OR_RETURN_INNER(value, declaration, expression) \
  auto value = (expression);                                              \
  if (!value.ok()) return value.status();                                 \
  declaration = *std::move(value)

#endif  // SWITCHYARD_BASE_STATUS_H_
