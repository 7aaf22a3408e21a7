// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A keyed permutation of [0, size) without a table: a Feistel network over the
// least even number of bits that holds the range, walked along its cycles until
// it comes back into the range (Black and Rogaway, "Ciphers with arbitrary
// finite domains", CT-RSA 2002). Its round function is Philox.
#ifndef SWITCHYARD_RUNTIME_DATA_PERMUTATION_H_
#define SWITCHYARD_RUNTIME_DATA_PERMUTATION_H_

#include <cstdint>

namespace switchyard {

class Permutation {
 public:
  // 1 <= size <= 2^62.
  Permutation(uint64_t key, int64_t size);

  int64_t size() const { return size_; }

  // Where `index` of [0, size) goes. A walk takes fewer than four steps of
  // eight Philox calls each on average.
  int64_t operator()(int64_t index) const;

 private:
  uint64_t Encrypt(uint64_t value) const;

  uint64_t key_;
  int64_t size_;
  int half_bits_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_PERMUTATION_H_
