// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/stream.h"

#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "switchyard/base/check.h"
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/cuda/cuda_device.h"
#include "switchyard/base/guarded/guarded_device.h"
#include "switchyard/base/storage.h"

namespace switchyard {
namespace {

enum class Kind { kPlain, kGuarded, kGpu };

std::unique_ptr<Device> NewDevice(Kind kind) {
  switch (kind) {
    case Kind::kPlain:
      return std::make_unique<CpuDevice>();
    case Kind::kGuarded:
      return std::make_unique<GuardedDevice>();
    case Kind::kGpu:
      break;
  }
  auto gpu = NewCudaDevice(0);
  SWITCHYARD_CHECK(gpu.ok()) << gpu.status();
  return *std::move(gpu);
}

std::vector<Kind> Kinds() {
  std::vector<Kind> kinds = {Kind::kPlain, Kind::kGuarded};
  if (CudaDeviceCount().ok()) kinds.push_back(Kind::kGpu);
  return kinds;
}

std::string NameOfKind(const ::testing::TestParamInfo<Kind>& info) {
  constexpr const char* kNames[] = {"Cpu", "Guarded", "Gpu"};
  return kNames[static_cast<int>(info.param)];
}

// Matrices of 4 rows and 5 columns of int32, all -1 or counted from 0.
class StreamTest : public ::testing::TestWithParam<Kind> {
 protected:
  static constexpr int64_t kRows = 4;
  static constexpr int64_t kColumns = 5;
  using Values = std::vector<int32_t>;

  StreamTest()
      : device_(NewDevice(GetParam())),
        stream_(device_->NewStream()),
        src_storage_(*device_, DType::kInt32, {kRows, kColumns}),
        dst_storage_(*device_, DType::kInt32, {kRows, kColumns}),
        src_(src_storage_.View(DType::kInt32, {kRows, kColumns})),
        dst_(dst_storage_.View(DType::kInt32, {kRows, kColumns})) {
    Values values(kRows * kColumns);
    std::iota(values.begin(), values.end(), 0);
    stream_->CopyToDevice(src_, values.data());
    stream_->CopyToDevice(dst_, Values(kRows * kColumns, -1).data());
  }

  Values Destination() {
    Values values(kRows * kColumns);
    stream_->CopyToHost(values.data(), dst_);
    stream_->Wait();
    return values;
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  Storage src_storage_;
  Storage dst_storage_;
  TensorView src_;
  TensorView dst_;
};

using StreamDeathTest = StreamTest;

TEST_P(StreamTest, CopiesColumnsToOtherColumns) {
  stream_->Copy(dst_.Columns(3, 5), src_.Columns(1, 3));
  EXPECT_EQ(Destination(), (Values{-1, -1, -1, 1,  2,   //
                                   -1, -1, -1, 6,  7,   //
                                   -1, -1, -1, 11, 12,  //
                                   -1, -1, -1, 16, 17}));
}

TEST_P(StreamTest, PacksColumns) {
  const TensorView packed = dst_.Rows(1, 3).Reshaped({5, 2}).Rows(0, kRows);
  stream_->Copy(packed, src_.Columns(3, 5));
  EXPECT_EQ(Destination(), (Values{-1, -1, -1, -1, -1,  //
                                   3,  4,  8,  9,  13,  //
                                   14, 18, 19, -1, -1,  //
                                   -1, -1, -1, -1, -1}));
}

TEST_P(StreamTest, UnpacksIntoColumns) {
  const TensorView packed = src_.Rows(0, 2).Reshaped({5, 2}).Rows(1, 5);
  stream_->Copy(dst_.Columns(0, 2), packed);
  EXPECT_EQ(Destination(), (Values{2, 3, -1, -1, -1,  //
                                   4, 5, -1, -1, -1,  //
                                   6, 7, -1, -1, -1,  //
                                   8, 9, -1, -1, -1}));
}

TEST_P(StreamTest, CopiesRowsOfHigherRank) {
  stream_->Copy(dst_.Columns(1, 5).Reshaped({kRows, 2, 2}),
                src_.Columns(0, 4).Reshaped({kRows, 2, 2}));
  EXPECT_EQ(Destination(), (Values{-1, 0,  1,  2,  3,   //
                                   -1, 5,  6,  7,  8,   //
                                   -1, 10, 11, 12, 13,  //
                                   -1, 15, 16, 17, 18}));
}

TEST_P(StreamTest, CopiesOneRowOfAStridedView) {
  stream_->Copy(dst_.Rows(3, 4).Columns(2, 5), src_.Rows(1, 2).Columns(0, 3));
  Values expected(kRows * kColumns, -1);
  expected[17] = 5;
  expected[18] = 6;
  expected[19] = 7;
  EXPECT_EQ(Destination(), expected);
}

TEST_P(StreamTest, CopiesNothing) {
  stream_->Copy(dst_.Rows(2, 2), src_.Rows(0, 0));
  stream_->Copy(dst_.Columns(2, 2), src_.Columns(5, 5));
  stream_->CopyToDevice(dst_.Rows(1, 1), nullptr);
  stream_->CopyToHost(nullptr, src_.Rows(1, 1));
  EXPECT_EQ(Destination(), Values(kRows * kColumns, -1));
}

TEST_P(StreamTest, ZeroesColumns) {
  stream_->Zero(dst_.Columns(1, 3));
  stream_->Zero(dst_.Rows(3, 4));
  stream_->Zero(dst_.Columns(4, 4));
  EXPECT_EQ(Destination(), (Values{-1, 0, 0, -1, -1,  //
                                   -1, 0, 0, -1, -1,  //
                                   -1, 0, 0, -1, -1,  //
                                   0,  0, 0, 0,  0}));
}

TEST_P(StreamDeathTest, CopiesThatDoNotFitAreBugs) {
  stream_->Wait();
  const TensorView floats(src_.raw(), DType::kFloat32, {kRows, kColumns});
  EXPECT_DEATH(stream_->Copy(dst_, src_.Rows(0, 3)),
               "int32\\[4, 5\\] from int32\\[3, 5\\]");
  EXPECT_DEATH(stream_->Copy(dst_, floats), "int32.* from fp32");
  Values values(kRows * kColumns);
  EXPECT_DEATH(stream_->CopyToHost(values.data(), src_.Columns(0, 2)),
               "contiguous");
  EXPECT_DEATH(stream_->CopyToDevice(dst_.Columns(0, 2), values.data()),
               "contiguous");
}

INSTANTIATE_TEST_SUITE_P(All, StreamTest, ::testing::ValuesIn(Kinds()),
                         NameOfKind);
INSTANTIATE_TEST_SUITE_P(All, StreamDeathTest, ::testing::ValuesIn(Kinds()),
                         NameOfKind);

}  // namespace
}  // namespace switchyard
