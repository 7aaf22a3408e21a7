// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A ledger as it lies in memory, or in the file that other processes map. One
// rank writes it and anyone may read it at any time, also when the writer is
// stopped or dead in the middle of a store. So every field that changes is an
// atomic; stores release and loads acquire, which keeps them in order and is
// free on x86.
//
//   Header
//   Region 0: GroupHeader, then `depth` records, `record_bytes` apart
//   Region 1: ...
#ifndef SWITCHYARD_COMM_LEDGER_LAYOUT_H_
#define SWITCHYARD_COMM_LEDGER_LAYOUT_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace switchyard::comm::ledger {

template <typename T>
class Field {
 public:
  static_assert(std::atomic<T>::is_always_lock_free);
  void operator=(T value) { value_.store(value, std::memory_order_release); }
  operator T() const { return value_.load(std::memory_order_acquire); }

 private:
  std::atomic<T> value_;
};

// A short text, cut to fit.
template <int kWords>
class TextField {
 public:
  void operator=(const char* text) {
    uint64_t words[kWords] = {};
    std::memcpy(words, text, std::min(std::strlen(text), sizeof(words)));
    for (int i = 0; i < kWords; ++i) words_[i] = words[i];
  }
  std::string ToString() const {
    char text[kWords * sizeof(uint64_t) + 1] = {};
    for (int i = 0; i < kWords; ++i) {
      const uint64_t word = words_[i];
      std::memcpy(text + i * sizeof(word), &word, sizeof(word));
    }
    return text;
  }

 private:
  Field<uint64_t> words_[kWords];
};

inline constexpr uint64_t kMagic = 0x3172656764656c79;  // "yledger1"
inline constexpr int kMaxRegions = 64;

enum State : int32_t { kActive = 0, kFailed = 1, kLeft = 2 };

struct Header {
  Field<uint64_t> magic;  // written last
  Field<int32_t> rank;    // in the world
  Field<int32_t> world_size;
  Field<int64_t> process;
  Field<int64_t> process_start;  // tells a process id that was used again
  TextField<8> host;
  TextField<4> job;
  Field<int32_t> state;  // of enum State

  // Where the rank is between collectives, as its runtime says.
  Field<int64_t> step;
  Field<int32_t> layer;
  TextField<3> phase;
  Field<int64_t> position_ns;  // when that was said; 0: never

  // The group in each region: an id that is the same on all its ranks. 0: the
  // region is not in use, and its memory may not even exist.
  Field<uint64_t> group_ids[kMaxRegions];
};

struct GroupHeader {
  Field<int32_t> rank;
  Field<int32_t> size;
  TextField<8> name;
  Field<int64_t> begun;  // the last call's sequence number
};

struct Record {
  Field<int64_t> sequence;  // 0: being written
  Field<int32_t> kind;      // CallKind
  Field<int32_t> dtype;     // DType
  Field<int32_t> op;        // ReduceOp
  Field<int32_t> root;
  Field<int64_t> count;
  Field<uint64_t> counts_key;  // mixes the counts of all ranks
  Field<int32_t> layer;
  TextField<3> phase;
  Field<int64_t> start_ns;  // of the steady clock, one for all of a host
  Field<int64_t> end_ns;    // 0: under way

  // All-to-all-v: bytes to each peer, then bytes from each peer.
  Field<int64_t>* peers() {
    return reinterpret_cast<Field<int64_t>*>(this + 1);
  }
  const Field<int64_t>* peers() const {
    return reinterpret_cast<const Field<int64_t>*>(this + 1);
  }
};

// Sizes follow from the number of ranks: a record holds two numbers for each,
// and many ranks keep fewer records. Of calls on a GPU about as many are under
// way at once.
class Layout {
 public:
  explicit Layout(int world_size)
      : depth_(std::clamp(65536 / world_size, 64, 256)),
        record_bytes_(sizeof(Record) + 2 * sizeof(int64_t) * world_size),
        region_bytes_(RoundUp(sizeof(GroupHeader) + depth_ * record_bytes_)) {}

  int depth() const { return depth_; }
  size_t region_bytes() const { return region_bytes_; }
  size_t region_offset(int region) const {
    return RoundUp(sizeof(Header)) + region * region_bytes_;
  }
  size_t file_bytes() const { return region_offset(kMaxRegions); }

  GroupHeader* group(void* base, int region) const {
    return reinterpret_cast<GroupHeader*>(static_cast<char*>(base) +
                                          region_offset(region));
  }
  const GroupHeader* group(const void* base, int region) const {
    return group(const_cast<void*>(base), region);
  }
  // Where call `sequence` is recorded.
  Record* record(GroupHeader* group, int64_t sequence) const {
    return reinterpret_cast<Record*>(reinterpret_cast<char*>(group + 1) +
                                     sequence % depth_ * record_bytes_);
  }
  const Record* record(const GroupHeader* group, int64_t sequence) const {
    return record(const_cast<GroupHeader*>(group), sequence);
  }

 private:
  static size_t RoundUp(size_t bytes) { return (bytes + 4095) / 4096 * 4096; }

  int depth_;
  size_t record_bytes_;
  size_t region_bytes_;
};

}  // namespace switchyard::comm::ledger

#endif  // SWITCHYARD_COMM_LEDGER_LAYOUT_H_
