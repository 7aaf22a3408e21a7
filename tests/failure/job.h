// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A command that a test starts, watches and may hurt. Its output is collected
// while it runs; what is left of it when the test ends is killed.
#ifndef SWITCHYARD_TESTS_FAILURE_JOB_H_
#define SWITCHYARD_TESTS_FAILURE_JOB_H_

#include <sys/types.h>

#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace switchyard {

class Job {
 public:
  // `command[0]` is a path. Runs in a process group of its own.
  explicit Job(const std::vector<std::string>& command);
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // All output so far, standard output and error in one.
  std::string Output() const;
  // The text behind the first `marker` in the output, up to the line's end;
  // nothing if it does not appear in time.
  std::optional<std::string> WaitFor(const std::string& marker, double seconds);
  // The exit code once everything that writes to the job's output is gone, 128
  // plus the signal if one ended it; nothing if it does not end in time.
  std::optional<int> WaitForEnd(double seconds);

 private:
  pid_t process_ = -1;
  int pipe_ = -1;
  std::thread reader_;
  mutable std::mutex mutex_;
  std::string output_;
  bool closed_ = false;
};

}  // namespace switchyard

#endif  // SWITCHYARD_TESTS_FAILURE_JOB_H_
