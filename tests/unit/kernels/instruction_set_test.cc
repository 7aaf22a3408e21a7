// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/instruction_set.h"

#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace switchyard::kernels {
namespace {

TEST(InstructionSetTest, NamesReadBack) {
  for (int i = 0; i <= static_cast<int>(InstructionSet::kAmx); ++i) {
    const auto isa = static_cast<InstructionSet>(i);
    const auto parsed = ParseInstructionSet(NameOf(isa));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, isa);
  }
}

TEST(InstructionSetTest, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  const auto parsed = ParseInstructionSet("avx3");
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(parsed.status().message()),
              testing::HasSubstr("baseline, avx2, avx512, avx512_bf16, amx"));
}

TEST(InstructionSetTest, IsFixedOnceAProcess) {
  const InstructionSet current = CurrentInstructionSet();
  const char* cap = std::getenv("SWITCHYARD_TEST_ISA");
  EXPECT_STREQ(NameOf(current),
               cap != nullptr ? cap : NameOf(BestInstructionSet()));
  EXPECT_TRUE(SetInstructionSet(current).ok());
  for (int i = 0; i <= static_cast<int>(InstructionSet::kAmx); ++i) {
    const auto other = static_cast<InstructionSet>(i);
    if (other == current) continue;
    EXPECT_EQ(SetInstructionSet(other).code(),
              absl::StatusCode::kFailedPrecondition)
        << NameOf(other);
  }
  EXPECT_EQ(CurrentInstructionSet(), current);
  EXPECT_EQ(HasBFloat16Products(), current >= InstructionSet::kAvx512Bf16);
}

}  // namespace
}  // namespace switchyard::kernels
