// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Includes go in one direction, and libraries that hold the machine together
// are known in one place each.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/tests/install/include_rules.h"

namespace switchyard::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

std::vector<std::string> Broken(const std::string& path,
                                const std::string& target) {
  return BrokenIncludeRules(path, "#include " + target + "\n");
}

TEST(IncludeRulesTest, AcceptTheDirectionOfTheDesign) {
  EXPECT_THAT(Broken("comm/a.cc", "\"switchyard/base/shape.h\""), IsEmpty());
  EXPECT_THAT(Broken("kernels/cpu/a.cc", "\"switchyard/kernels/cpu/b.h\""),
              IsEmpty());
  EXPECT_THAT(Broken("runtime/nn/a.cc", "\"switchyard/kernels/matmul.h\""),
              IsEmpty());
  EXPECT_THAT(Broken("launch/a.cc", "\"switchyard/runtime/train/trainer.h\""),
              IsEmpty());
  EXPECT_THAT(Broken("comm/mpi/a.cc", "<mpi.h>"), IsEmpty());
  EXPECT_THAT(
      Broken("comm/mpi/from_mpi.cc", "\"switchyard/comm/mpi/from_mpi.h\""),
      IsEmpty());
  EXPECT_THAT(Broken("kernels/cpu/a.cc", "<dnnl.hpp>"), IsEmpty());
  EXPECT_THAT(Broken("tests/a.cc", "<mpi.h>"), IsEmpty());
}

TEST(IncludeRulesTest, RefuseEveryOtherDirection) {
  for (const auto& [path, target] :
       std::vector<std::pair<const char*, const char*>>{
           {"base/a.cc", "comm/ticket.h"},
           {"base/a.cc", "kernels/matmul.h"},
           {"comm/thread/a.cc", "kernels/matmul.h"},
           {"kernels/a.cc", "comm/ticket.h"},
           {"comm/a.cc", "runtime/nn/loss.h"},
           {"runtime/nn/a.cc", "launch/world.h"},
           {"runtime/nn/a.cc", "tests/support/compare.h"},
           {"runtime/nn/a.cc", "kernels/cpu/gemm.h"},
           {"runtime/nn/a.cc", "comm/ledger/report.h"},
           {"examples/03_moe_layer/a.cc", "launch/world.h"},
           {"examples/04_custom_trainer/a.cc", "runtime/train/options.h"},
           {"launch/a.cc", "comm/mpi/from_mpi.h"},
           {"comm/mpi/a.cc", "comm/mpi/from_mpi.h"}}) {
    EXPECT_EQ(Broken(path, std::string("\"switchyard/") + target + "\"").size(),
              1u)
        << path << " includes " << target;
  }
}

TEST(IncludeRulesTest, RefuseLibrariesElsewhere) {
  EXPECT_THAT(Broken("runtime/nn/a.cc", "<mpi.h>"),
              ElementsAre("runtime/nn/a.cc:1: mpi.h may be included in "
                          "comm/mpi/ only"));
  for (const char* path : {"base/a.cc", "comm/a.cc", "runtime/nn/a.cc",
                           "launch/a.cc", "examples/01_hello_ranks/a.cc"}) {
    for (const char* header :
         {"<mpi.h>", "<nccl.h>", "<cuda_runtime.h>", "<dnnl.hpp>",
          "\"oneapi/dnnl/dnnl.hpp\"", "\"hwy/highway.h\""}) {
      EXPECT_EQ(Broken(path, header).size(), 1u) << path << " " << header;
    }
  }
  EXPECT_EQ(Broken("kernels/a.cc", "<dnnl.hpp>").size(), 1u);
}

TEST(IncludeRulesTest, FindEveryIncludeOfAFile) {
  EXPECT_THAT(BrokenIncludeRules("comm/a.h",
                                 "#include <string>\n"
                                 "  #  include \"switchyard/kernels/a.h\"\n"
                                 "// #include <mpi.h>\n"
                                 "#include<mpi.h>\n"),
              ElementsAre("comm/a.h:2: comm/ may not include kernels/a.h",
                          "comm/a.h:4: mpi.h may be included in comm/mpi/ "
                          "only"));
}

TEST(IncludeRulesTest, TellWhetherAHeaderComesFirst) {
  const std::string text =
      "// A comment.\n#include \"switchyard/base/a.h\"\n#include <string>\n";
  EXPECT_TRUE(IncludesFirst(text, "base/a.h"));
  EXPECT_FALSE(IncludesFirst("#include <string>\n" + text, "base/a.h"));
  EXPECT_FALSE(IncludesFirst("", "base/a.h"));
}

TEST(IncludeRulesTest, HoldInTheWholeTree) {
  const fs::path source = SWITCHYARD_SOURCE_DIR;
  int file_count = 0;
  for (const char* room :
       {"base", "comm", "kernels", "runtime", "launch", "examples"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source / room)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc" && extension != ".cu") {
        continue;
      }
      std::ostringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      const std::string path = fs::relative(entry.path(), source);
      EXPECT_THAT(BrokenIncludeRules(path, text.str()), IsEmpty());
      EXPECT_THAT(text.str(), HasSubstr("SPDX")) << path;
      const fs::path header = fs::path(path).replace_extension(".h");
      if (extension == ".cc" && fs::exists(source / header) &&
          !absl::StartsWith(path, "examples/04_custom_trainer/")) {
        EXPECT_TRUE(IncludesFirst(text.str(), header)) << path;
      }
      ++file_count;
    }
  }
  EXPECT_GT(file_count, 150);
}

}  // namespace
}  // namespace switchyard::testing
