// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What Switchyard uses of cuBLAS.
#ifndef SWITCHYARD_TESTS_EMULATION_INCLUDE_CUBLAS_V2_H_
#define SWITCHYARD_TESTS_EMULATION_INCLUDE_CUBLAS_V2_H_

#include <cstddef>

#include "cuda_runtime.h"

struct EmulatedCublas;
using cublasHandle_t = EmulatedCublas*;

enum cublasStatus_t { CUBLAS_STATUS_SUCCESS = 0 };
enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F = 68 };
enum cublasGemmAlgo_t { CUBLAS_GEMM_DEFAULT = -1 };
enum cudaDataType_t { CUDA_R_32F = 0, CUDA_R_16BF = 14 };

const char* cublasGetStatusString(cublasStatus_t status);
cublasStatus_t cublasCreate(cublasHandle_t* handle);
cublasStatus_t cublasDestroy(cublasHandle_t handle);
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream);
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace,
                                  size_t bytes);
cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa,
                            cublasOperation_t transb, int m, int n, int k,
                            const void* alpha, const void* a,
                            cudaDataType_t a_type, int lda, const void* b,
                            cudaDataType_t b_type, int ldb, const void* beta,
                            void* c, cudaDataType_t c_type, int ldc,
                            cublasComputeType_t compute_type,
                            cublasGemmAlgo_t algorithm);
cublasStatus_t cublasGemmGroupedBatchedEx(
    cublasHandle_t handle, const cublasOperation_t transa_array[],
    const cublasOperation_t transb_array[], const int m_array[],
    const int n_array[], const int k_array[], const void* alpha_array,
    const void* const a_array[], cudaDataType_t a_type, const int lda_array[],
    const void* const b_array[], cudaDataType_t b_type, const int ldb_array[],
    const void* beta_array, void* const c_array[], cudaDataType_t c_type,
    const int ldc_array[], int group_count, const int group_size[],
    cublasComputeType_t compute_type);

#endif  // SWITCHYARD_TESTS_EMULATION_INCLUDE_CUBLAS_V2_H_
