// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// SWITCHYARD_LAUNCH(kernel, grid, block, shared_bytes, stream, args...): what
// kernel<<<grid, block, shared_bytes, stream>>>(args...) followed by
// cudaGetLastError() is to nvcc. Template kernels come in extra parentheses.
#ifndef SWITCHYARD_TESTS_EMULATION_LAUNCH_H_
#define SWITCHYARD_TESTS_EMULATION_LAUNCH_H_

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "emulation/driver_types.h"
#include "emulation/vector_types.h"

namespace switchyard::emulation {

struct LaunchShape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes;
};
struct Kernel {
  const char* name;
  const void* function;
  void (*run)(void* arguments);  // one thread
  std::shared_ptr<void> arguments;
  size_t argument_bytes;
};
cudaError_t EnqueueKernel(const Kernel& kernel, const LaunchShape& shape,
                          cudaStream_t stream);

template <typename... Parameters, typename... Arguments>
cudaError_t Launch(const char* name, const LaunchShape& shape,
                   cudaStream_t stream, void (*kernel)(Parameters...),
                   Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                "the kernel takes another number of arguments");
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "arguments of kernels are copied byte by byte");
  struct Bound {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> values;
  };
  auto bound = std::make_shared<Bound>(
      Bound{kernel,
            {static_cast<Parameters>(std::forward<Arguments>(arguments))...}});
  const auto run = [](void* arguments) {
    const Bound& bound = *static_cast<const Bound*>(arguments);
    std::apply(bound.kernel, bound.values);
  };
  return EnqueueKernel({name, reinterpret_cast<const void*>(kernel), run,
                        std::move(bound), sizeof(Bound)},
                       shape, stream);
}

}  // namespace switchyard::emulation

#define SWITCHYARD_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  ::switchyard::emulation::Launch(#kernel, {grid, block, shared_bytes},   \
                                  stream, kernel __VA_OPT__(, ) __VA_ARGS__)

#endif  // SWITCHYARD_TESTS_EMULATION_LAUNCH_H_
