// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Checks for bugs. A check that fails prints one line with the rank, the place,
// the condition and the streamed values, calls the fatal handler, and aborts.
// What a caller, a file or the environment can cause is an absl::Status
// instead (status.h).
//
//   SWITCHYARD_CHECK(x.dim(0) == rows) << x.shape().ToString() << " " << rows;
#ifndef SWITCHYARD_BASE_CHECK_H_
#define SWITCHYARD_BASE_CHECK_H_

#include <functional>
#include <sstream>
#include <string>

namespace switchyard {

// The rank that this thread speaks for in messages; -1 if none is known. Ranks
// may be threads, so it belongs to the thread.
void SetThreadRank(int rank);
int ThreadRank();
// The rank that threads without one of their own speak for, such as OpenMP's,
// where ranks are processes.
void SetProcessRank(int rank);

// Called with the whole message before the process aborts, e.g. to tell the
// other ranks. The handler is one per process; an empty one restores the
// default, which does nothing. It must not return control by throwing.
void SetFatalHandler(std::function<void(const std::string& message)> handler);

namespace internal {

class FatalMessage {
 public:
  FatalMessage(const char* file, int line, const char* condition);
  [[noreturn]] ~FatalMessage();
  std::ostream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

// Gives the conditional expression in SWITCHYARD_CHECK one type.
struct Voidify {
  void operator&(std::ostream&) {}
};

}  // namespace internal
}  // namespace switchyard

#define SWITCHYARD_CHECK(condition)                                          \
  (condition) ? (void)0                                                      \
              : ::switchyard::internal::Voidify() &                          \
                    ::switchyard::internal::FatalMessage(__FILE__, __LINE__, \
                                                         #condition)         \
                        .stream()

#endif  // SWITCHYARD_BASE_CHECK_H_
