// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Sockets between processes of one machine, and the frames that go through
// them. Their names are of Linux's abstract kind: nothing is left in a file
// system.
#ifndef SWITCHYARD_TESTS_EMULATION_NCCL_SOCKET_H_
#define SWITCHYARD_TESTS_EMULATION_NCCL_SOCKET_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::emulation {

enum class FrameType : uint32_t {
  kJoin,      // to who made the unique id: a rank of a communicator
  kTable,     // back: all of them, or why there is no communicator
  kLink,      // who connects
  kAnnounce,  // an Announcement
  kData,
  kFailed,  // a communicator; a text
  kLeft,    // destroyed a communicator
};

struct FrameHeader {
  FrameType type = FrameType::kData;
  int32_t rank = 0;    // the sender's, of the communicator
  uint64_t comm = 0;   // communicator or unique id
  uint64_t index = 0;  // of data: which
  uint64_t bytes = 0;  // that follow
};

struct Frame {
  FrameHeader header;
  std::vector<char> body;
};

// A file descriptor, or -1 with errno set.
int ListenAt(const std::string& name);
int ConnectTo(const std::string& name);

// False: the other end is gone, or `give_up` said so; then the connection is
// of no more use.
bool WriteFrame(int socket, FrameHeader header, std::string_view body,
                const std::function<bool()>& give_up);

// Takes whole frames out of a stream of bytes.
class FrameReader {
 public:
  // Reads what has arrived. False: the other end is gone.
  bool ReadFrom(int socket);
  std::optional<Frame> Next();

 private:
  std::vector<char> bytes_;
  size_t taken_ = 0;
};

}  // namespace switchyard::emulation

#endif  // SWITCHYARD_TESTS_EMULATION_NCCL_SOCKET_H_
