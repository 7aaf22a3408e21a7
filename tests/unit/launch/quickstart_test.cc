// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// launch/quickstart.sh finds the project and the caller's text wherever it is
// called from. Here it stands in a folder of its own, where what it calls only
// says how it was called.
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/tests/support/command_run.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::launch {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Quickstart : public ::testing::Test {
 protected:
  Quickstart() {
    for (const char* folder : {"project/launch", "bin", "elsewhere"}) {
      fs::create_directories(folder_.path() / folder);
    }
    fs::copy_file(SWITCHYARD_SOURCE_DIR "/launch/quickstart.sh",
                  folder_.path() / "project/launch/quickstart.sh");
    for (const char* program : {"project/launch/install_dependencies.sh",
                                "project/launch/mpirun.sh", "bin/cmake"}) {
      WriteProgram(program);
    }
    folder_.Write("elsewhere/my text.txt", "words");
  }

  void WriteProgram(const std::string& name) {
    const std::string path = folder_.Write(
        name, "#!/bin/sh\necho \"$(basename \"$0\") in $(pwd -P): $*\" >&2\n");
    fs::permissions(path, fs::perms::owner_all);
  }

  testing::CommandResult Run(const std::string& command) {
    return testing::RunCommand(
        absl::StrCat("PATH=", testing::Quoted(Path("bin")), ":$PATH ", command),
        folder_.path() / "elsewhere");
  }

  std::string Path(const std::string& name) const {
    return fs::canonical(folder_.path()) / name;
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(Quickstart, FromAnotherFolder) {
  fs::create_symlink("../project/launch/quickstart.sh",
                     folder_.path() / "elsewhere/link.sh");
  for (const char* script : {"../project/launch/quickstart.sh", "./link.sh"}) {
    const auto result = Run(absl::StrCat(script, " 'my text.txt'"));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr(absl::StrCat("mpirun.sh in ",
                                                   Path("project"), ": -n 2")));
    EXPECT_THAT(result.err, HasSubstr(absl::StrCat(
                                "--data ", Path("elsewhere/my text.txt"))));
  }
}

TEST_F(Quickstart, ATextThatIsNotThere) {
  const auto result = Run("../project/launch/quickstart.sh none.txt");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("cannot read 'none.txt'"));
  EXPECT_THAT(result.err, ::testing::Not(HasSubstr("mpirun.sh")));
}

}  // namespace
}  // namespace switchyard::launch
