// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/launch/flags/flag_set.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::launch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

enum class Color { kRed, kBlue };

class FlagSetTest : public ::testing::Test {
 protected:
  FlagSetTest() {
    flags_.Group("Numbers");
    flags_.Add("steps", &steps_, "N", "how many");
    flags_.Add("seed", &seed_, "S", "of everything");
    flags_.Add("lr", &lr_, "X", "how fast", "a good one");
    flags_.Group("Other");
    flags_.Add("decay_norms", &decay_, "", "norms too");
    flags_.Add("data", &data_, "FILE[,FILE]", "what to read");
    flags_.Add("out", &out_, "DIR", "where to write");
    flags_.Add("capacity_factor", &capacity_, "X", "how full");
    flags_.AddChoice("color", &color_,
                     {{"red", Color::kRed}, {"blue", Color::kBlue}}, "which");
  }

  absl::Status Parse(const std::vector<std::string>& arguments) {
    return flags_.Parse(arguments);
  }
  std::string Message(const std::vector<std::string>& arguments) {
    const absl::Status status = Parse(arguments);
    return status.ok() ? "accepted" : std::string(status.message());
  }

  int64_t steps_ = 100;
  uint64_t seed_ = 0;
  double lr_ = 0.5;
  bool decay_ = false;
  std::vector<std::string> data_;
  std::string out_;
  CapacityFactor capacity_;
  Color color_ = Color::kRed;
  FlagSet flags_{"switchyard test", "Tests flags."};
};

TEST_F(FlagSetTest, ReadsBothForms) {
  ASSERT_TRUE(Parse({"--steps", "7", "--lr=1e-3", "--data=a,b", "--out",
                     "a folder", "--color", "blue", "--seed",
                     "18446744073709551615", "--capacity_factor", "1.1"})
                  .ok());
  EXPECT_EQ(steps_, 7);
  EXPECT_EQ(lr_, 1e-3);
  EXPECT_THAT(data_, ElementsAre("a", "b"));
  EXPECT_EQ(out_, "a folder");
  EXPECT_EQ(color_, Color::kBlue);
  EXPECT_EQ(seed_, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(capacity_.ToString(), "1.1");
  EXPECT_TRUE(flags_.Given("steps"));
  EXPECT_FALSE(flags_.Given("decay_norms"));
}

TEST_F(FlagSetTest, Booleans) {
  ASSERT_TRUE(Parse({"--decay_norms"}).ok());
  EXPECT_TRUE(decay_);
  ASSERT_TRUE(Parse({"--nodecay_norms"}).ok());
  EXPECT_FALSE(decay_);
  ASSERT_TRUE(Parse({"--decay_norms=true"}).ok());
  EXPECT_TRUE(decay_);
  EXPECT_THAT(Message({"--decay_norms=1"}), HasSubstr("true or false"));
  EXPECT_THAT(Message({"--decay_norms", "true"}), HasSubstr("word 'true'"));
  EXPECT_THAT(Message({"--nosteps"}), HasSubstr("--steps"));
}

TEST_F(FlagSetTest, NamesTheNearestFlag) {
  EXPECT_THAT(Message({"--step", "7"}),
              AllOf(HasSubstr("found --step;"), HasSubstr("is --steps")));
  EXPECT_THAT(Message({"--colour=red"}),
              AllOf(HasSubstr("--colour;"), HasSubstr("--color")));
  EXPECT_THAT(Message({"-lr", "1"}), HasSubstr("is --lr"));
  EXPECT_THAT(Message({"train"}), HasSubstr("the word 'train'"));
  EXPECT_THAT(Message({"--"}), HasSubstr("found --; see --help"));
  EXPECT_THAT(Message({"--hlep"}), HasSubstr("is --help"));
  const testing::TemporaryFolder folder;
  EXPECT_THAT(Message({"--flagfile", folder.Write("flags", "--hlep")}),
              HasSubstr("--hlep; see --help"));
}

TEST_F(FlagSetTest, RefusesValuesItCannotRead) {
  for (const char* bad : {"", "x", "1.5", "-1", "9223372036854775808", "1e3",
                          "0x10", " 1", "1 ", "+1"}) {
    EXPECT_THAT(Message({absl::StrCat("--steps=", bad)}),
                HasSubstr(absl::StrCat("for --steps, found '", bad, "'")));
  }
  for (const char* bad :
       {"", "x", "nan", "NaN", "-nan", "inf", "-inf", "1e999", "1,5", "1e"}) {
    EXPECT_THAT(
        Message({absl::StrCat("--lr=", bad)}),
        HasSubstr(absl::StrCat("a finite number for --lr, found '", bad)));
  }
  EXPECT_THAT(Message({"--color", "green"}),
              HasSubstr("one of red, blue for --color, found 'green'"));
  EXPECT_THAT(Message({"--data", "a,,b"}), HasSubstr("--data"));
  EXPECT_THAT(Message({"--out=a\nb"}), HasSubstr("a\\x0ab"));
  EXPECT_THAT(Message({"--capacity_factor=1e1"}), HasSubstr("such as 1.25"));
}

TEST_F(FlagSetTest, RefusesMissingValuesAndDuplicates) {
  EXPECT_THAT(Message({"--steps"}), HasSubstr("found nothing"));
  EXPECT_THAT(Message({"--steps", "--lr", "1"}), HasSubstr("found --lr"));
  EXPECT_THAT(Message({"--steps", "--a\x1b"}), HasSubstr("found --a\\x1b"));
  EXPECT_THAT(Message({"--steps=1", "--steps=2"}), HasSubstr("twice"));
  EXPECT_THAT(Message({"--decay_norms", "--nodecay_norms"}),
              HasSubstr("twice"));
}

TEST_F(FlagSetTest, FlagFileIsOverriddenByTheCommandLine) {
  const testing::TemporaryFolder folder;
  const std::string file = folder.Write(
      "flags", "# a comment\n\n--steps=7\n  --lr\t0.25 \t\n--out=a b\r\n");
  ASSERT_TRUE(Parse({"--lr=2", "--flagfile", file}).ok());
  EXPECT_EQ(steps_, 7);
  EXPECT_EQ(lr_, 2.0);
  EXPECT_EQ(out_, "a b");
  EXPECT_TRUE(flags_.Given("steps"));
}

TEST_F(FlagSetTest, FlagFileErrorsNameTheFile) {
  const testing::TemporaryFolder folder;
  const auto message = [&](const std::string& content) {
    const std::string file = folder.Write("flags", content);
    return Message({"--flagfile", file});
  };
  EXPECT_THAT(message("--step=7"), AllOf(HasSubstr("/flags: expected"),
                                         HasSubstr("nearest known one")));
  EXPECT_THAT(message("--steps=7\n--steps=8"), HasSubstr("twice"));
  EXPECT_THAT(message("--flagfile=other"), HasSubstr("no --flagfile"));
  EXPECT_THAT(Message({"--flagfile", folder.path() / "none"}),
              HasSubstr("No such file"));
}

TEST_F(FlagSetTest, WritesAFileThatReadsBack) {
  lr_ = 0.1;
  steps_ = 9;
  decay_ = true;
  data_ = {"a", "b c"};
  color_ = Color::kBlue;
  const std::string text = flags_.ToFlagFile({"seed"});
  EXPECT_EQ(text,
            "--steps=9\n--lr=0.1\n--decay_norms=true\n--data=a,b c\n"
            "--capacity_factor=0\n--color=blue\n");
  const testing::TemporaryFolder folder;
  lr_ = 1.0;
  steps_ = 1;
  decay_ = false;
  data_ = {};
  color_ = Color::kRed;
  ASSERT_EQ(Message({"--flagfile", folder.Write("f", text)}), "accepted");
  EXPECT_EQ(flags_.ToFlagFile({"seed"}), text);
}

TEST_F(FlagSetTest, HelpListsGroupsFlagsAndDefaults) {
  ASSERT_TRUE(Parse({"--nonsense", "--help"}).ok());
  ASSERT_TRUE(flags_.help_requested());
  const std::string help = flags_.Help();
  EXPECT_THAT(help, HasSubstr("Usage: switchyard test"));
  EXPECT_THAT(help, HasSubstr("General:\n  --help, -h\n"));
  EXPECT_THAT(help, HasSubstr("\nNumbers:\n  --steps N\n      how many "
                              "(default: 100)\n"));
  EXPECT_THAT(help, HasSubstr("how fast (default: a good one)"));
  EXPECT_THAT(help, HasSubstr("--color red|blue\n      which (default: red)"));
  EXPECT_THAT(help, HasSubstr("where to write\n"));
}

TEST(FlagTypes, DoublesReadBackToTheSameBits) {
  for (const double value :
       {0.1, 1e-8, 1.0 / 3.0, 5e-324, 1.7976931348623157e308, -0.0, 100.0}) {
    double again = std::nan("");
    ASSERT_TRUE(
        FlagType<double>::Parse(FlagType<double>::Print(value), &again));
    EXPECT_EQ(again, value);
    EXPECT_EQ(std::signbit(again), std::signbit(value));
  }
}

}  // namespace
}  // namespace switchyard::launch
