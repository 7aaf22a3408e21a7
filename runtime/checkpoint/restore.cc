// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/restore.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"

namespace switchyard {
namespace {

constexpr char kMaster[] = "master/";
constexpr char kMoment[] = "exp_avg/";
constexpr char kSecondMoment[] = "exp_avg_sq/";

// Elements that are on their way at a time.
constexpr int64_t kElementsAtOnce = int64_t{1} << 22;

absl::Status Error(const Checkpoint& checkpoint, absl::string_view sentence) {
  return absl::InvalidArgumentError(absl::StrCat(
      checkpoint.path(), ": ", sentence,
      "; give a checkpoint of the same model, or this one's model and flags"));
}

absl::Status CheckShape(const Checkpoint& checkpoint, const std::string& name,
                        const Shape& shape, const SavedTensor* saved) {
  if (saved == nullptr) {
    return Error(checkpoint, absl::StrCat("expected tensor \"", name, "\" ",
                                          shape.ToString(), ", found none"));
  }
  if (saved->shape == shape) return absl::OkStatus();
  return Error(checkpoint, absl::StrCat("expected tensor \"", name, "\" to be ",
                                        shape.ToString(), ", found ",
                                        saved->shape.ToString()));
}

// Reads into the device's memory, in whatever of fp32 and bf16 it has.
class ElementReader {
 public:
  ElementReader(Checkpoint& checkpoint, Stream& stream)
      : checkpoint_(checkpoint), stream_(stream) {}

  // Elements of tensor `name`, which the checkpoint has, from `first` on.
  absl::Status Read(const std::string& name, int64_t first,
                    const TensorView& values) {
    const DType stored = checkpoint_.Find(name)->dtype;
    const int64_t count = values.element_count();
    for (int64_t at = 0; at < count; at += kElementsAtOnce) {
      const int64_t end = std::min(count, at + kElementsAtOnce);
      stored_.resize(static_cast<size_t>(end - at) * SizeOf(stored));
      SWITCHYARD_RETURN_IF_ERROR(
          checkpoint_.Read(name, first + at, end - at, stored_.data()));
      const char* elements = stored_.data();
      if (stored != values.dtype()) {
        converted_.resize(static_cast<size_t>(end - at) *
                          SizeOf(values.dtype()));
        if (!ConvertElements(StoredTypeOf(stored), elements, values.dtype(),
                             converted_.data(), end - at)) {
          return Error(checkpoint_, absl::StrCat("expected tensor \"", name,
                                                 "\" in fp32 or bf16, found ",
                                                 NameOf(stored)));
        }
        elements = converted_.data();
      }
      stream_.CopyToDevice(values.Rows(at, end), elements);
    }
    return absl::OkStatus();
  }

 private:
  Checkpoint& checkpoint_;
  Stream& stream_;
  std::vector<char> stored_, converted_;
};

class StateReader : public StateVisitor {
 public:
  StateReader(Checkpoint& checkpoint, Stream& stream)
      : checkpoint_(checkpoint), elements_(checkpoint, stream) {}

  absl::Status Visit(const StateSlice& slice) override {
    const SavedTensor* saved = checkpoint_.Find(slice.name);
    SWITCHYARD_RETURN_IF_ERROR(
        CheckShape(checkpoint_, slice.name, slice.shape, saved));
    if (saved->dtype != slice.values.dtype()) {
      return Error(checkpoint_,
                   absl::StrCat("expected tensor \"", slice.name, "\" in ",
                                NameOf(slice.values.dtype()), ", found ",
                                NameOf(saved->dtype)));
    }
    return elements_.Read(slice.name, slice.first_element, slice.values);
  }

  absl::Status Visit(const char* name, int64_t* value) override {
    const auto& numbers = checkpoint_.manifest().integers;
    const auto found = numbers.find(name);
    if (found == numbers.end()) return Missing(name);
    *value = found->second;
    return absl::OkStatus();
  }

  absl::Status Visit(const char* name, double* value) override {
    const auto& numbers = checkpoint_.manifest().numbers;
    const auto found = numbers.find(name);
    if (found == numbers.end()) return Missing(name);
    *value = found->second;
    return absl::OkStatus();
  }

 private:
  absl::Status Missing(const char* name) const {
    return Error(checkpoint_, absl::StrCat("expected the number \"", name,
                                           "\" in its state, found none"));
  }

  Checkpoint& checkpoint_;
  ElementReader elements_;
};

class WeightReader : public StateVisitor {
 public:
  WeightReader(Checkpoint& checkpoint, Stream& stream)
      : checkpoint_(checkpoint), elements_(checkpoint, stream) {}

  absl::Status Visit(const StateSlice& slice) override {
    if (absl::StartsWith(slice.name, kMoment) ||
        absl::StartsWith(slice.name, kSecondMoment)) {
      return absl::OkStatus();
    }
    std::string name = slice.name;
    if (absl::StartsWith(name, kMaster)) name.erase(0, sizeof(kMaster) - 1);
    const std::string master = absl::StrCat(kMaster, name);
    if (checkpoint_.Find(master) != nullptr) name = master;
    SWITCHYARD_RETURN_IF_ERROR(
        CheckShape(checkpoint_, name, slice.shape, checkpoint_.Find(name)));
    return elements_.Read(name, slice.first_element, slice.values);
  }
  absl::Status Visit(const char*, int64_t*) override {
    return absl::OkStatus();
  }
  absl::Status Visit(const char*, double*) override { return absl::OkStatus(); }

 private:
  Checkpoint& checkpoint_;
  ElementReader elements_;
};

// Names that the model has, on whatever rank.
std::set<std::string> WeightNames(const ParameterStore& store) {
  std::set<std::string> names;
  for (const auto& parameter : store.parameters()) {
    names.insert(parameter->name);
  }
  for (const auto& state : store.states()) names.insert(state->name);
  return names;
}

std::string WithoutKind(const std::string& name) {
  for (const absl::string_view kind : {kMaster, kMoment, kSecondMoment}) {
    if (absl::StartsWith(name, kind)) return name.substr(kind.size());
  }
  return name;
}

absl::Status CheckAllKnown(const Checkpoint& checkpoint,
                           const ParameterStore& store) {
  const std::set<std::string> known = WeightNames(store);
  for (const auto& [name, tensor] : checkpoint.manifest().tensors) {
    if (known.count(WithoutKind(name)) > 0) continue;
    return Error(checkpoint,
                 absl::StrCat("expected the tensors of the model alone, found "
                              "\"",
                              Printable(name), "\" ", tensor.shape.ToString()));
  }
  // Every rank learns of what another one would miss.
  for (const std::string& name : known) {
    if (checkpoint.Find(name) != nullptr) continue;
    return Error(checkpoint,
                 absl::StrCat("expected tensor \"", name, "\", found none"));
  }
  return absl::OkStatus();
}

absl::Status VisitWeights(const ParameterStore& store, StateVisitor& visitor) {
  for (const std::unique_ptr<Parameter>& parameter : store.parameters()) {
    if (!parameter->owned) continue;
    SWITCHYARD_RETURN_IF_ERROR(visitor.Visit(
        {parameter->name, parameter->shape, 0,
         parameter->weight.Reshaped({parameter->element_count()})}));
  }
  for (const std::unique_ptr<StateTensor>& state : store.states()) {
    SWITCHYARD_RETURN_IF_ERROR(visitor.Visit(
        {state->name, state->shape, 0,
         state->values.Reshaped({state->shape.element_count()})}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RestoreState(Checkpoint& checkpoint, const ParameterStore& store,
                          Stream& stream, const VisitState& visit) {
  if (!checkpoint.manifest().is_training_state) {
    return absl::InvalidArgumentError(absl::StrCat(
        checkpoint.path(),
        ": expected the state of a run, found weights alone; begin a run with "
        "them by --init_from"));
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckAllKnown(checkpoint, store));
  StateReader reader(checkpoint, stream);
  SWITCHYARD_RETURN_IF_ERROR(visit(reader));
  stream.Wait();
  return absl::OkStatus();
}

absl::Status RestoreWeights(Checkpoint& checkpoint, const ParameterStore& store,
                            Stream& stream, const VisitState& visit) {
  SWITCHYARD_RETURN_IF_ERROR(CheckAllKnown(checkpoint, store));
  WeightReader reader(checkpoint, stream);
  SWITCHYARD_RETURN_IF_ERROR(visit(reader));
  stream.Wait();
  return absl::OkStatus();
}

absl::Status RestoreWeights(Checkpoint& checkpoint, const ParameterStore& store,
                            Stream& stream) {
  return RestoreWeights(checkpoint, store, stream, [&](StateVisitor& visitor) {
    return VisitWeights(store, visitor);
  });
}

}  // namespace switchyard
