// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What transformers computed with a model (make_hf_fixtures.py).
#ifndef SWITCHYARD_TESTS_GOLDEN_GOLDEN_FOLDER_H_
#define SWITCHYARD_TESTS_GOLDEN_GOLDEN_FOLDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "switchyard/runtime/checkpoint/safetensors.h"
#include "switchyard/runtime/data/data_source.h"

namespace switchyard::testing {

// The names of the folders.
std::vector<std::string> GoldenNames();

class GoldenFolder {
 public:
  explicit GoldenFolder(const std::string& name);

  const std::string& path() const { return path_; }
  bool Has(const std::string& tensor) const;
  // Of a tensor in fp32 or int64, which must be there.
  std::vector<double> Values(const std::string& tensor) const;
  std::vector<int32_t> Integers(const std::string& tensor) const;
  // Those whose names begin so, without it.
  std::vector<std::string> Names(const std::string& prefix) const;
  Batch MakeBatch() const;

 private:
  std::string path_;
  SafetensorsFile file_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_GOLDEN_GOLDEN_FOLDER_H_
