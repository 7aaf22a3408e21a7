// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <random>

#include "cublas_v2.h"
#include "test_device.h"

namespace switchyard::emulation {
namespace {

using ::testing::HasSubstr;

std::vector<float> RandomValues(size_t count, int seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  // Exact in bf16.
  for (float& value : values) {
    value = __bfloat162float(__float2bfloat16(uniform(random)));
  }
  return values;
}

std::vector<__nv_bfloat16> ToBf16(const std::vector<float>& values) {
  std::vector<__nv_bfloat16> result;
  for (const float value : values) result.push_back(__float2bfloat16(value));
  return result;
}

struct Case {
  bool transa, transb;
  int m, n, k;
  int lda, ldb, ldc;
  float alpha, beta;
};

double Expected(const Case& x, const std::vector<float>& a,
                const std::vector<float>& b, const std::vector<float>& c, int i,
                int j) {
  double sum = 0;
  for (int p = 0; p < x.k; ++p) {
    const double left = x.transa ? a[p + i * x.lda] : a[i + p * x.lda];
    const double right = x.transb ? b[j + p * x.ldb] : b[p + j * x.ldb];
    sum += left * right;
  }
  return x.alpha * sum + (x.beta == 0 ? 0 : x.beta * c[i + j * x.ldc]);
}

class CublasTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    ASSERT_EQ(cublasCreate(&handle_), CUBLAS_STATUS_SUCCESS);
    ASSERT_EQ(cublasSetStream(handle_, stream_), CUBLAS_STATUS_SUCCESS);
  }
  void TearDown() override {
    cublasDestroy(handle_);
    DeviceTest::TearDown();
  }
  cublasStatus_t Gemm(const Case& x, const void* a, const void* b, void* c,
                      cudaDataType in, cudaDataType out) {
    const auto operation = [](bool transposed) {
      return transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    };
    return cublasGemmEx(handle_, operation(x.transa), operation(x.transb), x.m,
                        x.n, x.k, &x.alpha, a, in, x.lda, b, in, x.ldb, &x.beta,
                        c, out, x.ldc, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  }

  cublasHandle_t handle_ = nullptr;
};

constexpr Case kCases[] = {
    {false, false, 1, 1, 1, 1, 1, 1, 1, 0},
    {false, false, 33, 7, 65, 40, 70, 35, 1, 0},
    {true, false, 31, 5, 64, 64, 64, 31, 2, 1},
    {false, true, 64, 32, 3, 64, 33, 64, 1, -1},
    {true, true, 100, 17, 129, 130, 20, 101, 0.5f, 2},
    {false, false, 5, 4, 0, 5, 1, 5, 1, 3},
};

// Terms of k sums of products below 1 in magnitude, each rounded to fp32.
TEST_F(CublasTest, ProductsAreThoseOfTheDefinition) {
  for (const Case& x : kCases) {
    const int a_columns = x.transa ? x.m : x.k;
    const int b_columns = x.transb ? x.k : x.n;
    const auto a = RandomValues(x.lda * a_columns + 1, 1);
    const auto b = RandomValues(x.ldb * b_columns + 1, 2);
    const auto c = RandomValues(x.ldc * x.n, 3);
    float* const device_c = Upload(c);
    ASSERT_EQ(Gemm(x, Upload(a), Upload(b), device_c, CUDA_R_32F, CUDA_R_32F),
              CUBLAS_STATUS_SUCCESS)
        << cublasGetStatusString(CUBLAS_STATUS_INVALID_VALUE);
    const auto got = Download(device_c, c.size());
    auto* const half_c = Upload(ToBf16(c));
    ASSERT_EQ(Gemm(x, Upload(ToBf16(a)), Upload(ToBf16(b)), half_c, CUDA_R_16BF,
                   CUDA_R_16BF),
              CUBLAS_STATUS_SUCCESS);
    const auto half = Download(half_c, c.size());
    const double bound = (x.k + 3) * std::ldexp(1.0, -23) * (x.k + 3);
    for (int j = 0; j < x.n; ++j) {
      for (int i = 0; i < x.ldc; ++i) {
        const float actual = got[i + j * x.ldc];
        if (i >= x.m) {  // between the columns
          EXPECT_EQ(actual, c[i + j * x.ldc]);
          continue;
        }
        const double expected = Expected(x, a, b, c, i, j);
        EXPECT_NEAR(actual, expected, bound);
        // Operands are the same, so only the last rounding differs.
        EXPECT_EQ(__bfloat16_as_ushort(half[i + j * x.ldc]),
                  __bfloat16_as_ushort(__float2bfloat16(actual)));
      }
    }
  }
}

// The bits of a column of c depend on its operands alone.
TEST_F(CublasTest, BitsDoNotDependOnTheOtherColumns) {
  const int m = 37, k = 301;
  const float* const a = Upload(RandomValues(m * k, 4));
  const float* const b = Upload(RandomValues(k * 40, 5));
  float* const all = Allocate<float>(m * 40);
  float* const one = Allocate<float>(m);
  ASSERT_EQ(Gemm({false, false, m, 40, k, m, k, m, 1, 0}, a, b, all, CUDA_R_32F,
                 CUDA_R_32F),
            CUBLAS_STATUS_SUCCESS);
  const auto expected = Download(all, m * 40);
  for (const int column : {0, 1, 3, 38, 39}) {
    ASSERT_EQ(Gemm({false, false, m, 1, k, m, k, m, 1, 0}, a, b + column * k,
                   one, CUDA_R_32F, CUDA_R_32F),
              CUBLAS_STATUS_SUCCESS);
    const auto actual = Download(one, m);
    for (int i = 0; i < m; ++i) EXPECT_EQ(actual[i], expected[column * m + i]);
  }
}

TEST_F(CublasTest, BetaZeroDoesNotReadTheResult) {
  const float* const ones = Upload(std::vector<float>(1, 1.0f));
  float* const c = Allocate<float>(1);  // NaN
  ASSERT_EQ(Gemm({false, false, 1, 1, 1, 1, 1, 1, 1, 0}, ones, ones, c,
                 CUDA_R_32F, CUDA_R_32F),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(Download(c, 1)[0], 1);
}

TEST_F(CublasTest, StridedBatches) {
  const float* const a = Upload(std::vector<float>{1, 2, 3});
  const float* const b = Upload(std::vector<float>{10, 0, 20, 0, 30});
  float* const c = Allocate<float>(3);
  const float one = 1, zero = 0;
  ASSERT_EQ(cublasGemmStridedBatchedEx(
                handle_, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a, CUDA_R_32F,
                1, 1, b, CUDA_R_32F, 1, 2, &zero, c, CUDA_R_32F, 1, 1, 3,
                CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_THAT(Download(c, 3), ::testing::ElementsAre(10, 40, 90));
}

// Two groups: one product of 1 x 1 x 2, two of 2 x 1 x 1.
class GroupedTest : public CublasTest {
 protected:
  void SetUp() override {
    CublasTest::SetUp();
    const std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8};
    in_ = Upload(ToBf16(values));
    out_ = Allocate<__nv_bfloat16>(5);
    a_ = Upload(std::vector<const void*>{in_, in_ + 2, in_ + 4});
    b_ = Upload(std::vector<const void*>{in_, in_ + 6, in_ + 7});
    c_ = Upload(std::vector<void*>{out_, out_ + 1, out_ + 3});
  }
  cublasStatus_t Run(const void* const* a, cudaDataType out = CUDA_R_16BF) {
    const cublasOperation_t none[] = {CUBLAS_OP_N, CUBLAS_OP_N};
    const int m[] = {1, 2}, n[] = {1, 1}, k[] = {2, 1};
    const int lda[] = {1, 2}, ldb[] = {2, 1}, ldc[] = {1, 2}, sizes[] = {1, 2};
    const float alpha[] = {1, 10}, beta[] = {0, 0};
    return cublasGemmGroupedBatchedEx(
        handle_, none, none, m, n, k, alpha, a, CUDA_R_16BF, lda, b_,
        CUDA_R_16BF, ldb, beta, c_, out, ldc, 2, sizes, CUBLAS_COMPUTE_32F);
  }

  __nv_bfloat16* in_ = nullptr;
  __nv_bfloat16* out_ = nullptr;
  const void** a_ = nullptr;
  const void** b_ = nullptr;
  void** c_ = nullptr;
};

TEST_F(GroupedTest, GroupsAreMultiplied) {
  ASSERT_EQ(Run(a_), CUBLAS_STATUS_SUCCESS);
  std::vector<float> got;
  for (const __nv_bfloat16 value : Download(out_, 5)) {
    got.push_back(__bfloat162float(value));
  }
  EXPECT_THAT(got, ::testing::ElementsAre(1 * 1 + 2 * 2, 210, 280, 400, 480));
}

TEST_F(GroupedTest, AddressesMustBeTheDevices) {
  const void* const host_array[] = {in_, in_ + 2, in_ + 4};
  EXPECT_EQ(Run(host_array), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_THAT(cublasGetStatusString(CUBLAS_STATUS_INVALID_VALUE),
              HasSubstr("the array of addresses of A is not memory of a"));
  // The entries are only seen when the call runs.
  const std::vector<__nv_bfloat16> host(8);
  EXPECT_EQ(Run(Upload(std::vector<const void*>{in_, host.data(), in_})),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorLaunchFailure);
  EXPECT_THAT(LastFailure(), HasSubstr("product 1: A is not memory"));
}

TEST_F(GroupedTest, BothTypesAreOne) {
  EXPECT_EQ(Run(a_, CUDA_R_32F), CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_F(CublasTest, MistakesAreRefused) {
  float* const device = Allocate<float>(4);
  float host[4] = {};
  const Case x = {false, false, 2, 2, 1, 2, 1, 2, 1, 0};
  const auto gemm = [&](Case x, void* a) {
    return Gemm(x, a, device, device, CUDA_R_32F, CUDA_R_32F);
  };
  EXPECT_EQ(gemm(x, host), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_THAT(cublasGetStatusString(CUBLAS_STATUS_INVALID_VALUE),
              HasSubstr("A is not memory of a device"));
  Case larger = x;
  larger.m = larger.lda = larger.ldc = 3;
  EXPECT_EQ(gemm(larger, device), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_THAT(cublasGetStatusString(CUBLAS_STATUS_INVALID_VALUE),
              HasSubstr("C ends 8 bytes behind"));
  Case narrow = x;
  narrow.lda = 1;
  EXPECT_EQ(gemm(narrow, device), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(cublasSetPointerMode(handle_, CUBLAS_POINTER_MODE_DEVICE),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(gemm(x, device), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_THAT(cublasGetStatusString(CUBLAS_STATUS_INVALID_VALUE),
              HasSubstr("alpha and beta must be in memory of the device"));
  EXPECT_EQ(cublasSetStream(handle_, nullptr), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(gemm(x, device), CUBLAS_STATUS_EXECUTION_FAILED);
  cudaGetLastError();
}

// An operation like others to the race checker, its workspace included.
TEST_F(CublasTest, ProductsOfTwoStreamsRace) {
  SetRaceChecks(true);
  cudaStream_t other = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking),
            cudaSuccess);
  cublasHandle_t second = nullptr;
  ASSERT_EQ(cublasCreate(&second), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasSetStream(second, other), CUBLAS_STATUS_SUCCESS);
  void* const workspace = Allocate<float>(64);
  const float* const ones = Upload(std::vector<float>(1, 1.0f));
  float* const a = Allocate<float>(1);
  float* const b = Allocate<float>(1);
  const Case x = {false, false, 1, 1, 1, 1, 1, 1, 1, 0};
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  const auto run = [&](cublasHandle_t handle, const float* in, float* out) {
    std::swap(handle, handle_);
    EXPECT_EQ(Gemm(x, in, ones, out, CUDA_R_32F, CUDA_R_32F),
              CUBLAS_STATUS_SUCCESS);
    std::swap(handle, handle_);
  };
  run(handle_, ones, a);
  run(second, ones, b);
  EXPECT_EQ(LastFailure(), "");
  run(second, a, b);
  EXPECT_THAT(LastFailure(), HasSubstr("cublasGemmEx (operation"));
  ClearFailure();
  for (const cublasHandle_t handle : {handle_, second}) {
    ASSERT_EQ(cublasSetWorkspace(handle, workspace, 256),
              CUBLAS_STATUS_SUCCESS);
    run(handle, ones, handle == second ? b : a);
  }
  EXPECT_THAT(LastFailure(), HasSubstr("writes byte 0 of 256"));
  ClearFailure();
  cublasDestroy(second);
  cudaStreamDestroy(other);
  SetRaceChecks(false);
}

}  // namespace
}  // namespace switchyard::emulation
