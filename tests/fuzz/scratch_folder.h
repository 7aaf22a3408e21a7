// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A folder in memory for readers of several files, the process's own.
#ifndef SWITCHYARD_TESTS_FUZZ_SCRATCH_FOLDER_H_
#define SWITCHYARD_TESTS_FUZZ_SCRATCH_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace switchyard::testing {

class ScratchFolder {
 public:
  ScratchFolder() {
    char name[] = "/dev/shm/switchyard_fuzz_XXXXXX";
    if (mkdtemp(name) == nullptr) std::abort();
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string Write(const std::string& name, std::string_view content) const {
    const std::string file = path_ + "/" + name;
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }

 private:
  std::string path_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_FUZZ_SCRATCH_FOLDER_H_
