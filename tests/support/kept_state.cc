// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/kept_state.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace switchyard::testing {
namespace {

std::vector<int64_t> Extents(const Shape& shape) {
  std::vector<int64_t> extents;
  for (int i = 0; i < shape.rank(); ++i) extents.push_back(shape[i]);
  return extents;
}

}  // namespace

class KeptState::Keeper : public StateVisitor {
 public:
  Keeper(KeptState& state, Stream& stream, bool keeps_numbers)
      : state_(state), stream_(stream), keeps_numbers_(keeps_numbers) {}

  absl::Status Visit(const StateSlice& slice) override {
    if (!slice.owned) return absl::OkStatus();
    const int64_t size = SizeOf(slice.values.dtype());
    std::vector<char> bytes(slice.values.element_count() * size);
    stream_.CopyToHost(bytes.data(), slice.values);
    stream_.Wait();
    const std::lock_guard<std::mutex> lock(state_.mutex_);
    KeptTensor& tensor = state_.tensors_[slice.name];
    if (tensor.writers.empty()) {
      tensor.dtype = slice.values.dtype();
      tensor.extents = Extents(slice.shape);
      tensor.writers.assign(slice.shape.element_count(), 0);
      tensor.bytes.assign(slice.shape.element_count() * size, 0);
    }
    if (tensor.dtype != slice.values.dtype() ||
        tensor.extents != Extents(slice.shape)) {
      return absl::InternalError(
          absl::StrCat("ranks disagree about ", slice.name));
    }
    std::memcpy(tensor.bytes.data() + slice.first_element * size, bytes.data(),
                bytes.size());
    for (int64_t i = 0; i < slice.values.element_count(); ++i) {
      ++tensor.writers.at(slice.first_element + i);
    }
    return absl::OkStatus();
  }
  absl::Status Visit(const char* name, int64_t* value) override {
    return Number(name, value);
  }
  absl::Status Visit(const char* name, double* value) override {
    return Number(name, value);
  }

 private:
  template <typename T>
  absl::Status Number(const char* name, const T* value) {
    static_assert(sizeof(T) == sizeof(uint64_t));
    if (!keeps_numbers_) return absl::OkStatus();
    const std::lock_guard<std::mutex> lock(state_.mutex_);
    if (state_.numbers_.count(name) > 0) {
      return absl::InternalError(absl::StrCat(name, " twice"));
    }
    std::memcpy(&state_.numbers_[name], value, sizeof(T));
    return absl::OkStatus();
  }

  KeptState& state_;
  Stream& stream_;
  const bool keeps_numbers_;
};

class KeptState::Restorer : public StateVisitor {
 public:
  Restorer(const KeptState& state, Stream& stream)
      : state_(state), stream_(stream) {}

  absl::Status Visit(const StateSlice& slice) override {
    const auto found = state_.tensors_.find(slice.name);
    if (found == state_.tensors_.end() ||
        found->second.dtype != slice.values.dtype() ||
        found->second.extents != Extents(slice.shape)) {
      return absl::NotFoundError(slice.name);
    }
    stream_.CopyToDevice(slice.values,
                         found->second.bytes.data() +
                             slice.first_element * static_cast<int64_t>(SizeOf(
                                                       slice.values.dtype())));
    stream_.Wait();
    return absl::OkStatus();
  }
  absl::Status Visit(const char* name, int64_t* value) override {
    return Number(name, value);
  }
  absl::Status Visit(const char* name, double* value) override {
    return Number(name, value);
  }

 private:
  template <typename T>
  absl::Status Number(const char* name, T* value) {
    const auto found = state_.numbers_.find(name);
    if (found == state_.numbers_.end()) return absl::NotFoundError(name);
    std::memcpy(value, &found->second, sizeof(T));
    return absl::OkStatus();
  }

  const KeptState& state_;
  Stream& stream_;
};

absl::Status KeptState::Keep(Trainer& trainer) {
  Keeper keeper(*this, trainer.runner().stream(),
                trainer.grid().world().rank() == 0);
  return trainer.VisitState(keeper);
}

absl::Status KeptState::Restore(Trainer& trainer) const {
  Restorer restorer(*this, trainer.runner().stream());
  return trainer.VisitState(restorer);
}

std::string KeptState::Difference(const KeptState& other) const {
  std::string names;
  const auto compare = [&names](const auto& mine, const auto& others) {
    if (mine.size() != others.size()) absl::StrAppend(&names, "numbers of ");
    for (const auto& [name, value] : mine) {
      const auto found = others.find(name);
      if (found == others.end() || !(found->second == value)) {
        absl::StrAppend(&names, name, " ");
      }
    }
  };
  compare(tensors_, other.tensors_);
  compare(numbers_, other.numbers_);
  return names;
}

}  // namespace switchyard::testing
