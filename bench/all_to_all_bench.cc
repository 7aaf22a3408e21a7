// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What dispatch and combine can get from the machine: every rank sends as much
// to each of the others, from one buffer into another.
//
//   launch/mpirun.sh -n 8 all_to_all_bench --device cuda
//
// Every size is verified, then timed. A line has the bytes for each peer, the
// median time of the rank that took longest, and the bytes that a rank sends a
// second, which the link's bandwidth one way bounds.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/base/storage.h"
#include "switchyard/bench/peak.h"
#include "switchyard/launch/commands/flag_groups.h"
#include "switchyard/launch/commands/rank_command.h"
#include "switchyard/launch/device.h"
#include "switchyard/runtime/parallel/agreement.h"

namespace switchyard::bench {
namespace {

struct Flags {
  launch::RankDevice::Choice device;
  int64_t least = int64_t{64} << 10;  // bytes for each peer
  int64_t most = int64_t{64} << 20;
  int64_t turns = 20;
};

void AddFlags(Flags* flags, launch::FlagSet* set) {
  set->Group("Benchmark");
  set->AddChoice("device", &flags->device.kind,
                 {{"cpu", DeviceKind::kCpu}, {"cuda", DeviceKind::kCuda}},
                 "where the buffers are");
  launch::AddTransportFlag(&flags->device.transport, set);
  set->Add("least", &flags->least, "BYTES", "for each peer; grows fourfold");
  set->Add("most", &flags->most, "BYTES", "for each peer");
  set->Add("turns", &flags->turns, "N", "of which the median is told");
  set->Add("comm_timeout", &flags->device.timeout_seconds, "SECONDS",
           "how long a rank waits for the others");
}

absl::Status CheckFlags(const Flags& flags) {
  if (flags.least >= 4 && flags.most >= flags.least && flags.turns > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("expected --least of 4 bytes or more, at most --most, and "
                   "--turns of 1 or more, found ",
                   flags.least, ", ", flags.most, " and ", flags.turns));
}

// Says who sent an element to whom, and which it is.
int32_t Content(int64_t i, int from, int to) {
  return static_cast<int32_t>(i % 1000003 * 1009 + from * 31 + to);
}

class Exchange {
 public:
  Exchange(Device& device, comm::Communicator& world, int64_t most)
      : world_(world),
        stream_(device.NewStream()),
        sent_(device, DType::kInt32, {world.size() * most}),
        received_(device, DType::kInt32, {world.size() * most}) {}

  Stream& stream() { return *stream_; }

  // `count` elements for each other rank.
  absl::Status Run(int64_t count) {
    const std::vector<comm::Block> blocks = Blocks(count);
    return world_
        .AllToAllV(*stream_, View(sent_, count), blocks, View(received_, count),
                   blocks, {-1, "benchmark"})
        .Wait();
  }

  // An error on all ranks if one received something else than it was sent.
  absl::Status Verify(int64_t count) {
    std::vector<int32_t> values(world_.size() * count, -1);
    stream_->CopyToDevice(View(received_, count), values.data());
    for (const comm::Block& block : Blocks(count)) {
      for (int64_t i = 0; i < count; ++i) {
        values[block.offset + i] = Content(i, world_.rank(), block.peer);
      }
    }
    stream_->CopyToDevice(View(sent_, count), values.data());
    SWITCHYARD_RETURN_IF_ERROR(Run(count));
    std::vector<int32_t> arrived(world_.size() * count);
    stream_->CopyToHost(arrived.data(), View(received_, count));
    stream_->Wait();
    return AgreeOnStatus(world_, Compare(arrived, count));
  }

 private:
  TensorView View(Storage& storage, int64_t count) const {
    return storage.View(DType::kInt32, {world_.size() * count});
  }

  std::vector<comm::Block> Blocks(int64_t count) const {
    std::vector<comm::Block> blocks;
    for (int peer = 0; peer < world_.size(); ++peer) {
      if (peer != world_.rank()) blocks.push_back({peer, peer * count, count});
    }
    return blocks;
  }

  absl::Status Compare(const std::vector<int32_t>& arrived,
                       int64_t count) const {
    for (const comm::Block& block : Blocks(count)) {
      for (int64_t i = 0; i < count; ++i) {
        const int32_t expected = Content(i, block.peer, world_.rank());
        if (arrived[block.offset + i] == expected) continue;
        return absl::InternalError(absl::StrCat(
            "rank ", world_.rank(), ", ", count, " elements: element ", i,
            " of rank ", block.peer, " is ", arrived[block.offset + i],
            ", expected ", expected));
      }
    }
    return absl::OkStatus();
  }

  comm::Communicator& world_;
  const std::unique_ptr<Stream> stream_;
  Storage sent_, received_;
};

// Of the rank that took longest.
absl::StatusOr<double> MedianSeconds(comm::Communicator& world,
                                     Exchange& exchange, int64_t count,
                                     int64_t turns) {
  std::vector<double> seconds;
  for (int64_t turn = 0; turn < turns; ++turn) {
    SWITCHYARD_RETURN_IF_ERROR(world.Barrier({-1, "start"}).Wait());
    const double start = Seconds();
    SWITCHYARD_RETURN_IF_ERROR(exchange.Run(count));
    exchange.stream().Wait();
    const int64_t mine = static_cast<int64_t>(1e9 * (Seconds() - start));
    SWITCHYARD_ASSIGN_OR_RETURN(const std::vector<int64_t> all,
                                GatherIntegers(world, {&mine, 1}));
    seconds.push_back(
        1e-9 * static_cast<double>(*std::max_element(all.begin(), all.end())));
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

absl::Status Measure(const Flags& flags, comm::Communicator& world) {
  SWITCHYARD_RETURN_IF_ERROR(CheckFlags(flags));
  if (world.size() == 1) {
    return absl::InvalidArgumentError(
        "expected two ranks or more, found one; start it under mpirun");
  }
  SWITCHYARD_ASSIGN_OR_RETURN(const launch::RankDevice device,
                              launch::RankDevice::Create(world, flags.device));
  Exchange exchange(*device, world, flags.most / 4);
  if (world.rank() == 0) {
    std::printf("%d ranks, %s\n%12s %12s %10s\n", world.size(), device->name(),
                "bytes/peer", "microsec", "GB/s");
  }
  for (int64_t bytes = flags.least; bytes <= flags.most; bytes *= 4) {
    const int64_t count = bytes / 4;
    SWITCHYARD_RETURN_IF_ERROR(exchange.Verify(count));
    SWITCHYARD_ASSIGN_OR_RETURN(
        const double seconds,
        MedianSeconds(world, exchange, count, flags.turns));
    if (world.rank() != 0) continue;
    const double sent = static_cast<double>((world.size() - 1) * count * 4);
    std::printf("%12lld %12.1f %10.3f\n", static_cast<long long>(count * 4),
                1e6 * seconds, 1e-9 * sent / seconds);
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Flags flags;
  launch::FlagSet set("all_to_all_bench",
                      "Times all-to-all-v from rank to rank.");
  AddFlags(&flags, &set);
  return launch::RunOnRanks(
      set, std::vector<std::string>(argv + 1, argv + argc),
      flags.device.timeout_seconds,
      [&](comm::Communicator& world) { return Measure(flags, world); });
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) { return switchyard::bench::Main(argc, argv); }
