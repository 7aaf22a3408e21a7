// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "nccl/socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace switchyard::emulation {
namespace {

constexpr int kPollMilliseconds = 50;
constexpr size_t kReadBytes = 256 << 10;

// An abstract name begins with a zero byte.
socklen_t MakeAddress(const std::string& name, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  const size_t bytes = std::min(name.size(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path + 1, name.data(), bytes);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + bytes);
}

bool WriteAll(int socket, const char* bytes, size_t count,
              const std::function<bool()>& give_up) {
  while (count > 0) {
    const ssize_t written =
        send(socket, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written > 0) {
      bytes += written;
      count -= written;
    } else if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (give_up()) return false;
      pollfd waiting = {socket, POLLOUT, 0};
      poll(&waiting, 1, kPollMilliseconds);
    } else if (written < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

int ListenAt(const std::string& name) {
  sockaddr_un address;
  const socklen_t length = MakeAddress(name, address);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return -1;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
      listen(listener, SOMAXCONN) == 0) {
    return listener;
  }
  close(listener);
  return -1;
}

int ConnectTo(const std::string& name) {
  sockaddr_un address;
  const socklen_t length = MakeAddress(name, address);
  const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return -1;
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), length) == 0) {
    return connection;
  }
  close(connection);
  return -1;
}

bool WriteFrame(int socket, FrameHeader header, std::string_view body,
                const std::function<bool()>& give_up) {
  header.bytes = body.size();
  return WriteAll(socket, reinterpret_cast<const char*>(&header), sizeof header,
                  give_up) &&
         WriteAll(socket, body.data(), body.size(), give_up);
}

bool FrameReader::ReadFrom(int socket) {
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ssize_t>(taken_));
  taken_ = 0;
  const size_t had = bytes_.size();
  bytes_.resize(had + kReadBytes);
  const ssize_t count =
      recv(socket, bytes_.data() + had, kReadBytes, MSG_DONTWAIT);
  const bool later = count < 0 && (errno == EAGAIN || errno == EINTR);
  bytes_.resize(had + std::max<ssize_t>(count, 0));
  return count > 0 || later;
}

std::optional<Frame> FrameReader::Next() {
  Frame frame;
  const size_t left = bytes_.size() - taken_;
  if (left < sizeof frame.header) return std::nullopt;
  const char* const start = bytes_.data() + taken_;
  std::memcpy(&frame.header, start, sizeof frame.header);
  const size_t whole = sizeof frame.header + frame.header.bytes;
  if (left < whole) return std::nullopt;
  frame.body.assign(start + sizeof frame.header, start + whole);
  taken_ += whole;
  return frame;
}

}  // namespace switchyard::emulation
