// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What is known to have happened before what: every operation of a stream has a
// number, every stream, every event and the host the latest number of each
// stream that is over before whatever it does next.
#ifndef SWITCHYARD_TESTS_EMULATION_RACES_CLOCKS_H_
#define SWITCHYARD_TESTS_EMULATION_RACES_CLOCKS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace switchyard::emulation {

using OperationNumber = uint32_t;  // in the order of enqueueing; 0: none

class VectorClock {
 public:
  bool Knows(int stream, OperationNumber operation) const {
    return stream < static_cast<int>(latest_.size()) &&
           latest_[stream] >= operation;
  }
  void Advance(int stream, OperationNumber operation);
  void Join(const VectorClock& other);

 private:
  std::vector<OperationNumber> latest_;  // by stream
};

struct Operation {
  OperationNumber number = 0;
  int stream = 0;
  VectorClock before;  // what it may rely on
};

// Numbers an operation of the stream, which knows what `clock` and the host do,
// and advances `clock`. Null while nothing is checked.
std::shared_ptr<const Operation> NumberOperation(int stream,
                                                 const std::string& name,
                                                 VectorClock& clock);
// The host has waited for what the clock knows.
void HostKnows(const VectorClock& clock);
VectorClock HostClock();

// Of an operation that was numbered.
int StreamOf(OperationNumber operation);
// "cudaMemcpyAsync (operation 12, stream 3)".
std::string DescribeOperation(OperationNumber operation);

// The operation that this host thread executes; null if none.
const Operation* CurrentOperation();
class OperationScope {
 public:
  explicit OperationScope(const Operation* operation);
  OperationScope(const OperationScope&) = delete;
  OperationScope& operator=(const OperationScope&) = delete;
  ~OperationScope();
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_RACES_CLOCKS_H_
