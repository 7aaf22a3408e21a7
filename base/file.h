// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Small files as a whole: read with a limit, written so that a reader never
// sees half of one. Messages name the path and the system's reason.
#ifndef SWITCHYARD_BASE_FILE_H_
#define SWITCHYARD_BASE_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace switchyard {

// "cannot write PATH: No space left on device", and what to do where the place
// is full. `error` is an errno.
absl::Status SystemError(int error, absl::string_view what,
                         const std::string& path);

// The whole content of a regular file. NotFound if there is none;
// InvalidArgument if it is a folder, a device or a pipe, or holds more than
// `max_bytes`; PermissionDenied if it cannot be opened.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes);

// Writes `content` under a new temporary name beside `path`, then renames it.
// What writes that were cut off have left there is in nobody's way.
absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view content);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_FILE_H_
