// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/support/test_tensor.h"

#include <cstring>

#include "gtest/gtest.h"
#include "switchyard/tests/support/rounding.h"

namespace switchyard::testing {
namespace {

constexpr int64_t kGuardBytes = 128;
constexpr char kGuard = static_cast<char>(0xA5);
constexpr char kUnwritten = static_cast<char>(0xFF);  // a NaN; -1

template <typename T>
void Put(T value, char* to) {
  std::memcpy(to, &value, sizeof(value));
}
template <typename T>
T Get(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

void PutAs(DType dtype, double value, char* to) {
  switch (dtype) {
    case DType::kFloat32:
      return Put(static_cast<float>(value), to);
    case DType::kBFloat16:
      return Put(ToBFloat16(static_cast<float>(value)), to);
    case DType::kFloat64:
      return Put(value, to);
    case DType::kInt32:
      return Put(static_cast<int32_t>(value), to);
    case DType::kInt64:
      return Put(static_cast<int64_t>(value), to);
    case DType::kUInt8:
      return Put(static_cast<uint8_t>(value), to);
  }
}

double GetAs(DType dtype, const char* from) {
  switch (dtype) {
    case DType::kFloat32:
      return Get<float>(from);
    case DType::kBFloat16:
      return ToFloat(Get<BFloat16>(from));
    case DType::kFloat64:
      return Get<double>(from);
    case DType::kInt32:
      return Get<int32_t>(from);
    case DType::kInt64:
      return static_cast<double>(Get<int64_t>(from));
    case DType::kUInt8:
      return Get<uint8_t>(from);
  }
  return 0;
}

}  // namespace

TestTensor::TestTensor(Device& device, DType dtype, const Shape& shape,
                       Layout layout)
    : stream_(device.NewStream()) {
  const int64_t size = SizeOf(dtype);
  const int64_t stride = shape.row_element_count() + layout.row_gap();
  first_byte_ = kGuardBytes + layout.offset() * size;
  const int64_t bytes = first_byte_ + shape[0] * stride * size + kGuardBytes;
  storage_ = Storage(device, bytes);
  TensorView all = storage_.View(DType::kUInt8, {bytes});
  view_ = TensorView(static_cast<char*>(all.raw()) + first_byte_, dtype, shape,
                     stride);
  std::vector<char> image(bytes, kGuard);
  for (int64_t i = 0; i < shape.element_count(); ++i) {
    std::memset(image.data() + OffsetOf(i), kUnwritten, size);
  }
  WriteAll(image);
}

TestTensor::TestTensor(Device& device, DType dtype, const Shape& shape,
                       const std::vector<double>& values, Layout layout)
    : TestTensor(device, dtype, shape, layout) {
  Write(values);
}

TestTensor::~TestTensor() {
  if (stream_ != nullptr) ExpectGuards(ReadAll());
}

void TestTensor::Write(const std::vector<double>& values) {
  SWITCHYARD_CHECK(static_cast<int64_t>(values.size()) == view_.element_count())
      << values.size() << " values for " << view_.shape().ToString();
  std::vector<char> image = ReadAll();
  for (size_t i = 0; i < values.size(); ++i) {
    PutAs(view_.dtype(), values[i], image.data() + OffsetOf(i));
  }
  WriteAll(image);
}

std::vector<double> TestTensor::Read() const {
  const std::vector<char> image = ReadAll();
  ExpectGuards(image);
  std::vector<double> values(view_.element_count());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = GetAs(view_.dtype(), image.data() + OffsetOf(i));
  }
  return values;
}

std::vector<uint64_t> TestTensor::Bits() const {
  const std::vector<char> image = ReadAll();
  ExpectGuards(image);
  std::vector<uint64_t> bits(view_.element_count(), 0);
  for (size_t i = 0; i < bits.size(); ++i) {
    std::memcpy(&bits[i], image.data() + OffsetOf(i), SizeOf(view_.dtype()));
  }
  return bits;
}

std::vector<char> TestTensor::ReadAll() const {
  std::vector<char> bytes(storage_.byte_count());
  const ConstTensorView all(static_cast<const char*>(view_.raw()) - first_byte_,
                            DType::kUInt8,
                            {static_cast<int64_t>(bytes.size())});
  stream_->CopyToHost(bytes.data(), all);
  stream_->Wait();
  return bytes;
}

void TestTensor::WriteAll(const std::vector<char>& bytes) {
  stream_->CopyToDevice(
      storage_.View(DType::kUInt8, {static_cast<int64_t>(bytes.size())}),
      bytes.data());
  stream_->Wait();
}

void TestTensor::ExpectGuards(const std::vector<char>& bytes) const {
  std::vector<bool> is_guard(bytes.size(), true);
  const int64_t size = SizeOf(view_.dtype());
  for (int64_t i = 0; i < view_.element_count(); ++i) {
    for (int64_t b = 0; b < size; ++b) is_guard[OffsetOf(i) + b] = false;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (!is_guard[i] || bytes[i] == kGuard) continue;
    ADD_FAILURE() << "written outside of " << NameOf(view_.dtype())
                  << view_.shape().ToString() << ": "
                  << static_cast<int64_t>(i) - first_byte_
                  << " bytes from its first element";
    return;
  }
}

int64_t TestTensor::OffsetOf(int64_t element) const {
  const int64_t width = view_.shape().row_element_count();
  const int64_t size = SizeOf(view_.dtype());
  return first_byte_ +
         (element / width * view_.row_stride() + element % width) * size;
}

}  // namespace switchyard::testing
