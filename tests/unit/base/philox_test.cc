// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/philox.h"

#include "gtest/gtest.h"

namespace switchyard {
namespace {

// The known answers published with the generator (Random123, kat_vectors).
TEST(PhiloxTest, KnownAnswers) {
  EXPECT_EQ(Philox4x32(0, {0, 0, 0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32(0xffffffffffffffff,
                       {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32(0x299f31d0a4093822,
                       {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, KeysOfDifferentNamesAndValuesDiffer) {
  EXPECT_NE(MixKey(1, "model.norm.weight"), MixKey(2, "model.norm.weight"));
  EXPECT_NE(MixKey(1, "a"), MixKey(1, "b"));
  EXPECT_NE(MixKey(1, std::string_view("a\0", 2)), MixKey(1, "a"));
  EXPECT_NE(MixKey(1, uint64_t{1}), MixKey(1, uint64_t{2}));
}

}  // namespace
}  // namespace switchyard
