// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A file in memory with a path, for readers that take paths.
#ifndef SWITCHYARD_TESTS_FUZZ_MEMORY_FILE_H_
#define SWITCHYARD_TESTS_FUZZ_MEMORY_FILE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace switchyard::testing {

class MemoryFile {
 public:
  MemoryFile() : file_(memfd_create("fuzz", 0)) {
    if (file_ < 0) std::abort();
  }
  ~MemoryFile() { close(file_); }

  // The path, with this content.
  std::string With(const uint8_t* bytes, size_t size) {
    if (ftruncate(file_, 0) != 0 ||
        pwrite(file_, bytes, size, 0) != static_cast<ssize_t>(size)) {
      std::abort();
    }
    return "/proc/self/fd/" + std::to_string(file_);
  }

 private:
  const int file_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_FUZZ_MEMORY_FILE_H_
