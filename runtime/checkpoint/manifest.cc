// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "switchyard/base/nearest_name.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/checkpoint/block_checksum.h"
#include "switchyard/runtime/checkpoint/stored_type.h"
#include "switchyard/runtime/nn/strict_json.h"

namespace switchyard {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;
using Tensors = std::map<std::string, SavedTensor>;

constexpr char kFormat[] = "switchyard checkpoint";
constexpr int64_t kVersion = 1;
constexpr char kTrainingState[] = "training state";
constexpr char kWeights[] = "weights";
// The checksum of the text is written into it; it counts with these digits.
constexpr char kNoChecksum[] = "0000000000000000";

absl::Status Damaged(absl::string_view source, absl::string_view sentence) {
  return absl::DataLossError(absl::StrCat(
      source, ": ", sentence, "; the checkpoint is damaged: use another one"));
}

// Reads members of an object and keeps the first error.
class Members {
 public:
  Members(const Json& json, absl::string_view source, std::string place)
      : json_(json), source_(source), place_(std::move(place)) {
    if (!json.is_object()) Fail("", "an object");
  }

  int64_t Count(const char* key) {
    const Json* value = Find(key);
    if (value == nullptr) return 0;
    if (!value->is_number_integer() ||
        (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX) ||
        value->get<int64_t>() < 0) {
      Fail(key, "a count");
      return 0;
    }
    return value->get<int64_t>();
  }

  std::string Text(const char* key) {
    const Json* value = Find(key);
    if (value == nullptr) return "";
    if (value->is_string()) return value->get<std::string>();
    Fail(key, "a text");
    return "";
  }

  uint64_t Checksum(const char* key) {
    uint64_t checksum = 0;
    const std::string text = Text(key);
    if (status_.ok() && !ParseChecksum(text, &checksum)) {
      Fail(key, "sixteen hexadecimal digits");
    }
    return checksum;
  }

  const Json& Array(const char* key) {
    static const Json none = Json::array();
    const Json* value = Find(key);
    if (value == nullptr) return none;
    if (value->is_array()) return *value;
    Fail(key, "a list");
    return none;
  }

  const Json& Object(const char* key) {
    static const Json none = Json::object();
    const Json* value = Find(key);
    if (value == nullptr) return none;
    if (value->is_object()) return *value;
    Fail(key, "an object");
    return none;
  }

  void Fail(const char* key, absl::string_view expected) {
    status_.Update(Damaged(
        source_, absl::StrCat("expected ", expected, " in ", place_,
                              *key == '\0' ? "" : absl::StrCat(".", key))));
  }

  const absl::Status& status() const { return status_; }

 private:
  const Json* Find(const char* key) {
    if (!status_.ok()) return nullptr;
    const auto found = json_.find(key);
    if (found != json_.end()) return &*found;
    Fail(key, "a value");
    return nullptr;
  }

  const Json& json_;
  absl::string_view source_;
  const std::string place_;
  absl::Status status_;
};

OrderedJson SliceJson(const SavedSlice& slice, bool with_file) {
  OrderedJson json = OrderedJson::object();
  if (with_file) json["file"] = slice.file;
  json["first"] = slice.first;
  json["count"] = slice.count;
  json["checksums"] = OrderedJson::array();
  for (const uint64_t checksum : slice.checksums) {
    json["checksums"].push_back(ChecksumText(checksum));
  }
  return json;
}

OrderedJson TensorJson(const SavedTensor& tensor, bool with_file) {
  OrderedJson json;
  json["dtype"] = NameOf(StoredTypeOf(tensor.dtype));
  json["shape"] = OrderedJson::array();
  for (int i = 0; i < tensor.shape.rank(); ++i) {
    json["shape"].push_back(tensor.shape[i]);
  }
  json["slices"] = OrderedJson::array();
  for (const SavedSlice& slice : tensor.slices) {
    json["slices"].push_back(SliceJson(slice, with_file));
  }
  return json;
}

// Tensors are many: those of a manifest are an object, not an ordered one,
// whose members are looked for one by one.
Json TensorsJson(const Tensors& tensors, bool with_file) {
  Json json = Json::object();
  for (const auto& [name, tensor] : tensors) {
    json[name] = Json(TensorJson(tensor, with_file));
  }
  return json;
}

bool ReadDType(const std::string& text, DType* dtype) {
  for (const DType candidate :
       {DType::kFloat32, DType::kBFloat16, DType::kFloat64, DType::kInt32,
        DType::kInt64, DType::kUInt8}) {
    if (text != NameOf(StoredTypeOf(candidate))) continue;
    *dtype = candidate;
    return true;
  }
  return false;
}

// One to four extents above zero, of a product that a Shape takes.
bool ReadShape(const Json& json, Shape* shape) {
  if (json.empty() || json.size() > Shape::kMaxRank) return false;
  int64_t extents[Shape::kMaxRank] = {1, 1, 1, 1};
  int64_t product = 1;
  for (size_t i = 0; i < json.size(); ++i) {
    if (!json[i].is_number_unsigned() || json[i].get<uint64_t>() > INT64_MAX) {
      return false;
    }
    extents[i] = json[i].get<int64_t>();
    if (extents[i] == 0 ||
        __builtin_mul_overflow(product, extents[i], &product) ||
        product > Shape::kMaxElements) {
      return false;
    }
  }
  switch (json.size()) {
    case 1:
      *shape = {extents[0]};
      break;
    case 2:
      *shape = {extents[0], extents[1]};
      break;
    case 3:
      *shape = {extents[0], extents[1], extents[2]};
      break;
    default:
      *shape = {extents[0], extents[1], extents[2], extents[3]};
  }
  return true;
}

// Where files are known their number is read, else it is `file`.
absl::Status ReadSlice(const Json& json, absl::string_view source,
                       const std::string& place, const Shape& shape,
                       int64_t files, int file, SavedSlice* slice) {
  Members members(json, source, place);
  slice->file = file;
  if (files > 0) {
    const int64_t number = members.Count("file");
    if (number >= files) members.Fail("file", "a file of the list");
    slice->file = static_cast<int>(number);
  }
  slice->first = members.Count("first");
  slice->count = members.Count("count");
  if (slice->count < 1 || slice->first > shape.element_count() ||
      slice->count > shape.element_count() - slice->first) {
    members.Fail("count", "elements of the tensor");
  }
  for (const Json& text : members.Array("checksums")) {
    uint64_t checksum = 0;
    if (!text.is_string() ||
        !ParseChecksum(text.get_ref<const std::string&>(), &checksum)) {
      members.Fail("checksums", "sixteen hexadecimal digits each");
      break;
    }
    slice->checksums.push_back(checksum);
  }
  const int64_t blocks = (slice->count + kChecksumBlock - 1) / kChecksumBlock;
  if (static_cast<int64_t>(slice->checksums.size()) != blocks) {
    members.Fail("checksums", absl::StrCat(blocks, " checksums"));
  }
  return members.status();
}

absl::Status ReadTensors(const Json& json, absl::string_view source,
                         int64_t files, int file, Tensors* tensors) {
  for (const auto& [name, entry] : json.items()) {
    const std::string place = absl::StrCat("tensor \"", Printable(name), "\"");
    Members members(entry, source, place);
    SavedTensor read;
    if (!ReadDType(members.Text("dtype"), &read.dtype)) {
      members.Fail("dtype", "a dtype");
    }
    if (!ReadShape(members.Array("shape"), &read.shape)) {
      members.Fail("shape", "one to four extents");
    }
    const Json& slices = members.Array("slices");
    SWITCHYARD_RETURN_IF_ERROR(members.status());
    SavedTensor& tensor =
        tensors->try_emplace(name, SavedTensor{read.dtype, read.shape, {}})
            .first->second;
    if (tensor.dtype != read.dtype || tensor.shape != read.shape) {
      return Damaged(
          source, absl::StrCat("expected ", place, " as in other files, ",
                               NameOf(tensor.dtype), " ",
                               tensor.shape.ToString(), ", found ",
                               NameOf(read.dtype), " ", read.shape.ToString()));
    }
    for (const Json& one : slices) {
      SavedSlice slice;
      SWITCHYARD_RETURN_IF_ERROR(
          ReadSlice(one, source, place, tensor.shape, files, file, &slice));
      tensor.slices.push_back(std::move(slice));
    }
  }
  return absl::OkStatus();
}

OrderedJson RunJson(const RunRecord& run) {
  OrderedJson json;
  json["version"] = run.version;
  json["ranks"] = run.ranks;
  json["expert_parallel"] = run.expert_parallel;
  json["instruction_set"] = run.instruction_set;
  json["arithmetic"] = ChecksumText(run.arithmetic);
  json["data_tokens"] = run.data_tokens;
  json["data_identity"] = ChecksumText(run.data_identity);
  json["flags"] = run.flags;
  json["model"] = run.model;
  return json;
}

absl::Status ReadRun(const Json& json, absl::string_view source,
                     RunRecord* run) {
  Members members(json, source, "run");
  run->version = members.Text("version");
  run->ranks = members.Count("ranks");
  run->expert_parallel = members.Count("expert_parallel");
  run->instruction_set = members.Text("instruction_set");
  run->arithmetic = members.Checksum("arithmetic");
  run->data_tokens = members.Count("data_tokens");
  run->data_identity = members.Checksum("data_identity");
  run->model = members.Text("model");
  for (const auto& [name, value] : members.Object("flags").items()) {
    if (!value.is_string()) members.Fail("flags", "texts");
    if (value.is_string()) run->flags[name] = value.get<std::string>();
  }
  return members.status();
}

// A name that stays inside the folder.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name[0] != '.' && !absl::StrContains(name, '/') &&
         Printable(name) == name;
}

absl::Status ReadFiles(const Json& json, absl::string_view source,
                       std::vector<SavedFile>* files) {
  for (const Json& entry : json) {
    Members members(entry, source, "files");
    SavedFile file;
    file.name = members.Text("name");
    file.byte_count = members.Count("bytes");
    file.header_checksum = members.Checksum("header_checksum");
    if (members.status().ok() && !IsPlainName(file.name)) {
      members.Fail("name", "a file's name");
    }
    SWITCHYARD_RETURN_IF_ERROR(members.status());
    files->push_back(std::move(file));
  }
  return absl::OkStatus();
}

// Doubles are written so that every bit comes back.
std::string NumberText(double value) { return absl::StrFormat("%a", value); }

absl::Status ReadState(const Json& json, absl::string_view source,
                       Manifest* manifest) {
  for (const auto& [name, value] : json.items()) {
    if (value.is_number_integer() &&
        !(value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX)) {
      manifest->integers[name] = value.get<int64_t>();
      continue;
    }
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0') {
      return Damaged(
          source, absl::StrCat("expected a number in state.", Printable(name)));
    }
    manifest->numbers[name] = number;
  }
  return absl::OkStatus();
}

std::string WithChecksum(std::string text, absl::string_view checksum) {
  const size_t at = text.find(absl::StrCat("\"checksum\": \"")) + 13;
  return text.replace(at, 16, checksum.data(), 16);
}

// "checksum" stands before everything that could hold such a text.
absl::Status CheckChecksum(absl::string_view json, absl::string_view source,
                           const std::string& told) {
  const size_t at = json.find("\"checksum\": \"");
  uint64_t checksum = 0;
  if (at == absl::string_view::npos || json.size() < at + 29 ||
      !ParseChecksum(told, &checksum) || json.substr(at + 13, 16) != told ||
      ChecksumOf(WithChecksum(std::string(json), kNoChecksum)) != checksum) {
    return Damaged(source, absl::StrCat("expected text of the checksum ",
                                        Printable(told), ", found other text"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string SliceName(absl::string_view tensor, const Shape& shape,
                      const SavedSlice& slice) {
  if (slice.count == shape.element_count()) return std::string(tensor);
  return absl::StrCat(tensor, "[", slice.first, ":", slice.first + slice.count,
                      "]");
}

int64_t Manifest::step() const {
  const auto found = integers.find("step");
  return found == integers.end() ? 0 : found->second;
}

int64_t Manifest::tensor_bytes() const {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    bytes += tensor.shape.element_count() *
             static_cast<int64_t>(SizeOf(tensor.dtype));
  }
  return bytes;
}

std::string ToJson(const Manifest& manifest) {
  OrderedJson json;
  json["format"] = kFormat;
  json["version"] = kVersion;
  json["checksum"] = kNoChecksum;
  json["kind"] = manifest.is_training_state ? kTrainingState : kWeights;
  OrderedJson state = OrderedJson::object();
  for (const auto& [name, value] : manifest.integers) state[name] = value;
  for (const auto& [name, value] : manifest.numbers) {
    state[name] = NumberText(value);
  }
  json["state"] = std::move(state);
  json["run"] = RunJson(manifest.run);
  json["files"] = OrderedJson::array();
  for (const SavedFile& file : manifest.files) {
    json["files"].push_back(
        {{"name", file.name},
         {"bytes", file.byte_count},
         {"header_checksum", ChecksumText(file.header_checksum)}});
  }
  json["tensors"] = OrderedJson(TensorsJson(manifest.tensors, true));
  const std::string text = absl::StrCat(json.dump(1), "\n");
  return WithChecksum(text, ChecksumText(ChecksumOf(text)));
}

absl::StatusOr<Manifest> ParseManifest(absl::string_view text,
                                       absl::string_view source) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      const Json json,
      internal::ParseStrictJson(text, source, "a checkpoint's manifest.json"));
  Members members(json, source, "the manifest");
  const std::string format = members.Text("format");
  const int64_t version = members.Count("version");
  SWITCHYARD_RETURN_IF_ERROR(members.status());
  if (format != kFormat) {
    return absl::InvalidArgumentError(absl::StrCat(
        source, ": expected \"format\" \"", kFormat, "\", found \"",
        Printable(format), "\"; give the folder of a checkpoint"));
  }
  if (version != kVersion) {
    return absl::InvalidArgumentError(absl::StrCat(
        source, ": expected version ", kVersion, ", found ", version,
        "; read it with the version of switchyard that wrote it"));
  }
  SWITCHYARD_RETURN_IF_ERROR(
      CheckChecksum(text, source, members.Text("checksum")));
  Manifest manifest;
  const std::string kind = members.Text("kind");
  manifest.is_training_state = kind == kTrainingState;
  if (!manifest.is_training_state && kind != kWeights) {
    members.Fail(
        "kind", absl::StrCat("\"", kTrainingState, "\" or \"", kWeights, "\""));
  }
  SWITCHYARD_RETURN_IF_ERROR(
      ReadState(members.Object("state"), source, &manifest));
  SWITCHYARD_RETURN_IF_ERROR(
      ReadRun(members.Object("run"), source, &manifest.run));
  SWITCHYARD_RETURN_IF_ERROR(
      ReadFiles(members.Array("files"), source, &manifest.files));
  if (manifest.files.empty()) members.Fail("files", "at least one file");
  const Json& tensors = members.Object("tensors");
  SWITCHYARD_RETURN_IF_ERROR(members.status());
  SWITCHYARD_RETURN_IF_ERROR(
      ReadTensors(tensors, source, static_cast<int64_t>(manifest.files.size()),
                  0, &manifest.tensors));
  SWITCHYARD_RETURN_IF_ERROR(CheckCoverage(source, &manifest.tensors));
  return manifest;
}

std::string SlicesToJson(const Tensors& tensors) {
  return TensorsJson(tensors, false).dump();
}

absl::Status AddSlices(absl::string_view text, absl::string_view source,
                       int file, Tensors* tensors) {
  SWITCHYARD_ASSIGN_OR_RETURN(
      const Json json,
      internal::ParseStrictJson(text, source, "a file of a checkpoint"));
  return ReadTensors(json, source, 0, file, tensors);
}

absl::Status CheckCoverage(absl::string_view source, Tensors* tensors) {
  for (auto& [name, tensor] : *tensors) {
    std::sort(tensor.slices.begin(), tensor.slices.end(),
              [](const SavedSlice& a, const SavedSlice& b) {
                return a.first < b.first;
              });
    int64_t next = 0;
    const auto wrong = [&, &name = name](int64_t end, const char* what) {
      return Damaged(source,
                     absl::StrCat("expected each element of tensor \"",
                                  Printable(name), "\" once, found elements ",
                                  next, " to ", end - 1, " ", what));
    };
    for (const SavedSlice& slice : tensor.slices) {
      if (slice.first > next) return wrong(slice.first, "missing");
      if (slice.first < next) {
        next = slice.first;
        return wrong(slice.first + slice.count, "twice");
      }
      next += slice.count;
    }
    if (next < tensor.shape.element_count()) {
      return wrong(tensor.shape.element_count(), "missing");
    }
  }
  return absl::OkStatus();
}

}  // namespace switchyard
