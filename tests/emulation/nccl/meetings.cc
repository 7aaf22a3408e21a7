// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "nccl/meetings.h"

#include <poll.h>
#include <unistd.h>

#include <cstring>

namespace switchyard::emulation {
namespace {

constexpr int kPollMilliseconds = 20;

bool NeverGiveUp() { return false; }

// The body of a table: nothing and a text, or a byte 1 and the introductions.
void Reply(int socket, std::string_view body) {
  FrameHeader header;
  header.type = FrameType::kTable;
  WriteFrame(socket, header, body, NeverGiveUp);
}

}  // namespace

Introduction Introduction::Of(const Endpoint& endpoint) {
  Introduction introduction;
  introduction.device = endpoint.device;
  endpoint.process.copy(introduction.process, sizeof introduction.process - 1);
  return introduction;
}

std::string Meetings::Objection(const Meeting& meeting,
                                const Introduction& rank) {
  const std::string who = "rank " + std::to_string(rank.rank);
  if (!meeting.ranks.empty() && rank.size != meeting.size) {
    return who + " expects " + std::to_string(rank.size) + " ranks, rank " +
           std::to_string(meeting.ranks.begin()->first) + " expects " +
           std::to_string(meeting.size);
  }
  if (meeting.ranks.count(rank.rank) > 0) return who + " came twice";
  for (const auto& [other, joined] : meeting.ranks) {
    // Processes of one machine have devices of one machine.
    if (joined.second.device == rank.device) {
      return "rank " + std::to_string(other) + " and " + who +
             " both have device " + std::to_string(rank.device);
    }
  }
  return "";
}

void Meetings::Join(int socket, const Frame& frame) {
  Introduction rank;
  if (frame.body.size() != sizeof rank) return;
  std::memcpy(&rank, frame.body.data(), sizeof rank);
  Meeting& meeting = meetings_[frame.header.comm];
  const std::string objection = Objection(meeting, rank);
  meeting.size = rank.size;
  meeting.ranks[rank.rank] = {socket, rank};
  if (objection.empty() &&
      static_cast<int>(meeting.ranks.size()) < meeting.size) {
    return;
  }
  std::string body = objection;
  if (objection.empty()) {
    body = "\1";
    for (const auto& [number, joined] : meeting.ranks) {
      body.append(reinterpret_cast<const char*>(&joined.second), sizeof rank);
    }
  } else {
    Reply(socket, body);  // it may have taken another's place in the list
  }
  for (const auto& [number, joined] : meeting.ranks) Reply(joined.first, body);
  meetings_.erase(frame.header.comm);
}

void Meetings::Leave(int socket) {
  for (auto& [number, meeting] : meetings_) {
    for (auto rank = meeting.ranks.begin(); rank != meeting.ranks.end();) {
      rank = rank->second.first == socket ? meeting.ranks.erase(rank)
                                          : std::next(rank);
    }
  }
}

std::vector<Endpoint> Meet(const std::string& place, uint64_t number,
                           const Introduction& self,
                           const std::function<bool()>& give_up,
                           std::string& error) {
  const int socket = ConnectTo(place);
  FrameHeader header;
  header.type = FrameType::kJoin;
  header.comm = number;
  const std::string_view body(reinterpret_cast<const char*>(&self),
                              sizeof self);
  error = "the process that made the unique id is gone";
  if (socket < 0 || !WriteFrame(socket, header, body, give_up)) return {};
  FrameReader reader;
  std::optional<Frame> table;
  while (!table) {
    if (give_up()) {
      error = "rank " + std::to_string(self.rank) + " waited in vain for all " +
              std::to_string(self.size) + " ranks to come";
      break;
    }
    pollfd readable = {socket, POLLIN, 0};
    if (poll(&readable, 1, kPollMilliseconds) <= 0) continue;
    if (!reader.ReadFrom(socket)) break;
    table = reader.Next();
  }
  close(socket);
  if (!table) return {};
  if (table->body.empty() || table->body[0] != 1) {
    error.assign(table->body.begin(), table->body.end());
    return {};
  }
  std::vector<Endpoint> members;
  for (size_t at = 1; at < table->body.size(); at += sizeof(Introduction)) {
    Introduction member;
    std::memcpy(&member, table->body.data() + at, sizeof member);
    members.push_back(member.endpoint());
  }
  error.clear();
  return members;
}

}  // namespace switchyard::emulation
