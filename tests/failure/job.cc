// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/failure/job.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

namespace switchyard {
namespace {

template <typename Condition>
bool WaitUntil(double seconds, const Condition& condition) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace

Job::Job(const std::vector<std::string>& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  std::vector<char*> arguments;
  for (const std::string& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  process_ = fork();
  if (process_ == 0) {
    setpgid(0, 0);
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(ends[1]);
  pipe_ = ends[0];
  reader_ = std::thread([this] {
    char buffer[4096];
    for (ssize_t n; (n = read(pipe_, buffer, sizeof(buffer))) > 0;) {
      std::lock_guard<std::mutex> lock(mutex_);
      output_.append(buffer, static_cast<size_t>(n));
    }
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  });
}

Job::~Job() {
  if (process_ > 0) {
    kill(-process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  reader_.join();
  close(pipe_);
}

std::string Job::Output() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return output_;
}

std::optional<std::string> Job::WaitFor(const std::string& marker,
                                        double seconds) {
  std::optional<std::string> found;
  WaitUntil(seconds, [&] {
    const std::string output = Output();
    const size_t at = output.find(marker);
    if (at == std::string::npos) return false;
    const size_t begin = at + marker.size();
    const size_t end = output.find('\n', begin);
    if (end == std::string::npos) return false;
    found = output.substr(begin, end - begin);
    return true;
  });
  return found;
}

std::optional<int> Job::WaitForEnd(double seconds) {
  const bool ended = WaitUntil(seconds, [&] {
    std::lock_guard<std::mutex> lock(mutex_);
    return closed_;
  });
  if (!ended) return std::nullopt;
  int status = 0;
  waitpid(process_, &status, 0);
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace switchyard
