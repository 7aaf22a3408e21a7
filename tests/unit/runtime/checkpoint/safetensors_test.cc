// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/checkpoint/safetensors.h"

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Length(uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<char>(length >> (8 * i) & 0xff));
  }
  return bytes;
}

std::string FileOf(const std::string& header, size_t data_bytes) {
  return Length(header.size()) + header + std::string(data_bytes, 'x');
}

class SafetensorsTest : public ::testing::Test {
 protected:
  std::string Message(const std::string& content) {
    const std::string path = folder_.Write("file.safetensors", content);
    const auto file = SafetensorsFile::Open(path);
    if (file.ok()) return "accepted";
    EXPECT_THAT(std::string(file.status().message()), HasSubstr(path));
    return std::string(file.status().message());
  }

  TemporaryFolder folder_;
};

// Written by hand, as the format's description has it; scalars and tensors of
// nothing too.
TEST_F(SafetensorsTest, ReadsWhatTheFormatSays) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},)"
      R"("b":{"dtype":"F32","shape":[2,1],"data_offsets":[2,10]},)"
      R"("a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},)"
      R"("none":{"dtype":"I64","shape":[3,0],"data_offsets":[10,10]}}   )";
  const std::string path = folder_.Write(
      "a.safetensors", Length(header.size()) + header +
                           std::string("\x80\x3f", 2) +
                           std::string("\0\0\x80\x3f\0\0\0\xc0", 8));
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata().at("format"), "pt");
  ASSERT_EQ(file->tensors().size(), 3u);
  const StoredTensor* b = file->Find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->ShapeText(), "[2, 1]");
  float values[2];
  ASSERT_TRUE(file->Read(*b, 0, 2, values).ok());
  EXPECT_EQ(values[0], 1.0f);
  EXPECT_EQ(values[1], -2.0f);
  const StoredTensor* a = file->Find("a");
  uint16_t bits = 0;
  ASSERT_TRUE(file->Read(*a, 0, 1, &bits).ok());
  EXPECT_EQ(bits, 0x3f80);
  EXPECT_EQ(file->Find("none")->element_count(), 0);
  EXPECT_EQ(file->Find("c"), nullptr);
}

TEST_F(SafetensorsTest, ReadsWhatItWrites) {
  std::vector<StoredTensor> tensors(2);
  tensors[0].name = "x \"quoted\" \xc3\xa9";
  tensors[0].shape = {3};
  tensors[1].name = "y";
  tensors[1].type = StoredType::kI64;
  tensors[1].shape = {1, 2};
  const std::string header = MakeSafetensorsHeader({{"k", "v"}}, &tensors);
  EXPECT_EQ(header.size() % 8, 0u);
  const std::string path =
      folder_.Write("a", header + std::string(3 * 4 + 2 * 8, '\1'));
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata().at("k"), "v");
  for (const StoredTensor& tensor : tensors) {
    const StoredTensor* read = file->Find(tensor.name);
    ASSERT_NE(read, nullptr) << tensor.name;
    EXPECT_EQ(read->offset, tensor.offset);
    EXPECT_EQ(read->type, tensor.type);
    EXPECT_EQ(read->shape, tensor.shape);
  }
  EXPECT_EQ(*file->ReadHeader(), header);
}

TEST_F(SafetensorsTest, LengthsThatLie) {
  EXPECT_THAT(Message(""), HasSubstr("at least 8 bytes, found 0"));
  EXPECT_THAT(Message("1234567"), HasSubstr("at least 8 bytes, found 7"));
  EXPECT_THAT(Message(Length(3) + "{}"), HasSubstr("found a length of 3"));
  EXPECT_THAT(Message(Length(UINT64_MAX) + "{}"),
              HasSubstr("found a length of 18446744073709551615"));
  EXPECT_THAT(Message(Length(uint64_t{1} << 63) + "{}"), HasSubstr("length"));
  EXPECT_THAT(Message(Length(0)), HasSubstr("empty"));
}

TEST_F(SafetensorsTest, HeadersThatAreNoHeaders) {
  for (const std::string header :
       {"[]", "null", "{", "{}{}", "{\"a\":}", "{\"a\":1}", "{\"a\":[]}",
        "{\"\xff\":{}}", "{\"__metadata__\":1}",
        "{\"__metadata__\":{\"a\":1}}"}) {
    const std::string message = Message(FileOf(header, 0));
    EXPECT_NE(message, "accepted") << header;
  }
  EXPECT_THAT(Message(FileOf(std::string("{}\0", 3), 0)), HasSubstr("zero"));
  // Deep nesting.
  EXPECT_THAT(Message(FileOf("{\"a\":" + std::string(100000, '[') +
                                 std::string(100000, ']') + "}",
                             0)),
              HasSubstr("nested"));
}

std::string One(const std::string& dtype, const std::string& shape,
                const std::string& offsets) {
  return "{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}}";
}

TEST_F(SafetensorsTest, TensorsThatLie) {
  const auto message = [&](const std::string& dtype, const std::string& shape,
                           const std::string& offsets, size_t bytes = 8) {
    return Message(FileOf(One(dtype, shape, offsets), bytes));
  };
  EXPECT_EQ(message("\"F32\"", "[2]", "[0,8]"), "accepted");
  EXPECT_THAT(message("\"F31\"", "[2]", "[0,8]"), HasSubstr("\"F31\""));
  EXPECT_THAT(message("5", "[2]", "[0,8]"), HasSubstr("\"dtype\" 5"));
  EXPECT_THAT(message("\"F32\"", "[-2]", "[0,8]"), HasSubstr("extent of -2"));
  EXPECT_THAT(message("\"F32\"", "[2.0]", "[0,8]"), HasSubstr("extent of 2.0"));
  EXPECT_THAT(message("\"F32\"", "2", "[0,8]"), HasSubstr("shape"));
  EXPECT_THAT(message("\"F32\"", "[18446744073709551615]", "[0,8]"),
              HasSubstr("extent"));
  EXPECT_THAT(message("\"F32\"", "[4294967296,4294967296,4]", "[0,8]"),
              HasSubstr("more elements than there can be"));
  EXPECT_THAT(message("\"F32\"", "[4611686018427387904]", "[0,8]"),
              HasSubstr("more elements than there can be"));
  // Nothing, whatever the other extents are.
  EXPECT_EQ(message("\"F32\"", "[4611686018427387904,4611686018427387904,0]",
                    "[0,0]", 0),
            "accepted");
  EXPECT_THAT(message("\"F32\"", "[2]", "[8,0]"), HasSubstr("data_offsets"));
  EXPECT_THAT(message("\"F32\"", "[2]", "[0]"), HasSubstr("data_offsets"));
  EXPECT_THAT(message("\"F32\"", "[2]", "[-8,0]"), HasSubstr("data_offsets"));
  EXPECT_THAT(message("\"F32\"", "[3]", "[0,8]"),
              HasSubstr("8 bytes for F32 [3], which takes 12"));
  EXPECT_THAT(message("\"F32\"", "[2]", "[4,12]", 12), HasSubstr("at byte 0"));
  EXPECT_THAT(message("\"F32\"", "[2]", "[0,8]", 7), HasSubstr("up to byte 8"));
  EXPECT_THAT(message("\"F32\"", "[2]", "[0,8]", 9),
              HasSubstr("expected 8 bytes of data, found 9"));
  EXPECT_THAT(
      Message(FileOf(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],)"
                     R"("more":1}})",
                     8)),
      HasSubstr("other keys"));
}

TEST_F(SafetensorsTest, PlacesThatOverlapOrLeaveGaps) {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  EXPECT_EQ(Message(FileOf(two("[4,8]", "[0,4]"), 8)), "accepted");
  EXPECT_THAT(Message(FileOf(two("[0,4]", "[2,6]"), 8)),
              AllOf(HasSubstr("\"b\" at byte 4"), HasSubstr("found it at 2")));
  EXPECT_THAT(Message(FileOf(two("[0,4]", "[5,9]"), 9)),
              HasSubstr("found it at 5"));
  EXPECT_THAT(Message(FileOf(two("[0,4]", "[0,4]"), 4)),
              HasSubstr("found it at 0"));
}

TEST_F(SafetensorsTest, NamesThatStandTwice) {
  EXPECT_THAT(
      Message(FileOf(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                     R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                     2)),
      HasSubstr("\"a\" twice"));
}

TEST_F(SafetensorsTest, AFileThatShrinksIsAnError) {
  const std::string path = folder_.Write(
      "file.safetensors", FileOf(One("\"U8\"", "[4000]", "[0,4000]"), 4000));
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  std::filesystem::resize_file(path, 1000);
  std::vector<char> bytes(4000);
  const absl::Status status =
      file->Read(file->tensors()[0], 0, 4000, bytes.data());
  EXPECT_THAT(std::string(status.message()), HasSubstr("to keep its size"));
}

TEST_F(SafetensorsTest, NoFileOrNoRegularOne) {
  EXPECT_FALSE(SafetensorsFile::Open(folder_.path()).ok());
  EXPECT_FALSE(SafetensorsFile::Open(folder_.path() / "none").ok());
  EXPECT_FALSE(SafetensorsFile::Open("/dev/zero").ok());
}

// Against IEEE's numbers: every binary16, and bf16 to nearest even.
TEST(StoredTypeTest, EveryHalfIsItsNumber) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    float value = 0;
    ASSERT_TRUE(
        ConvertElements(StoredType::kF16, &half, DType::kFloat32, &value, 1));
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const double sign = half >> 15 ? -1 : 1;
    if (exponent == 31) {
      EXPECT_EQ(fraction == 0, std::isinf(value)) << bits;
      EXPECT_EQ(fraction != 0, std::isnan(value)) << bits;
    } else if (exponent == 0) {
      EXPECT_EQ(value, sign * std::ldexp(fraction, -24)) << bits;
    } else {
      EXPECT_EQ(value, sign * std::ldexp(1024 + fraction, exponent - 25))
          << bits;
    }
    EXPECT_EQ(std::signbit(value), sign < 0) << bits;
  }
}

TEST(StoredTypeTest, BFloat16IsRoundedToNearestEven) {
  const std::vector<std::pair<float, uint16_t>> cases = {
      {1.0f, 0x3f80},
      {1.00390625f, 0x3f80},  // a tie, to even
      {1.01171875f, 0x3f82},  // a tie, to even above
      {std::nextafter(1.00390625f, 2.0f), 0x3f81},
      {-1.0f, 0xbf80},
      {std::numeric_limits<float>::infinity(), 0x7f80},
      {3.4e38f, 0x7f80}};
  for (const auto& [value, expected] : cases) {
    uint16_t bits = 0;
    ASSERT_TRUE(
        ConvertElements(StoredType::kF32, &value, DType::kBFloat16, &bits, 1));
    EXPECT_EQ(bits, expected) << value;
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  uint16_t bits = 0;
  ASSERT_TRUE(
      ConvertElements(StoredType::kF32, &nan, DType::kBFloat16, &bits, 1));
  EXPECT_EQ(bits & 0x7f80, 0x7f80);
  EXPECT_NE(bits & 0x7f, 0);
  const int64_t integer = 1;
  EXPECT_FALSE(
      ConvertElements(StoredType::kI64, &integer, DType::kBFloat16, &bits, 1));
}

}  // namespace
}  // namespace switchyard::testing
