// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/kernels/cpu/onednn_product.h"

#include <omp.h>

#include <iterator>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "switchyard/base/check.h"
#include "switchyard/kernels/cpu/thread_scratch.h"
#include "switchyard/kernels/instruction_set.h"

// A product runs on the calling thread: OneThread below tells OpenMP so.
#if DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_OMP && \
    DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_SEQ
#error "oneDNN must be built for OpenMP or without threads (CPU runtime SEQ)"
#endif

namespace switchyard::kernels::cpu {
namespace {

using dnnl::memory;

struct OneDnnScratch;

struct Hash {
  size_t operator()(const OneDnnShape& shape) const {
    uint64_t hash = static_cast<uint64_t>(shape.dtype);
    for (const int64_t value :
         {shape.rows, shape.columns, shape.inner,
          int64_t{shape.transposed_a} * 2 + int64_t{shape.transposed_b}}) {
      hash = (hash ^ static_cast<uint64_t>(value)) * 0x9E3779B97F4A7C15;
      hash ^= hash >> 29;
    }
    return hash;
  }
};

struct Primitive {
  dnnl::matmul::primitive_desc description;
  dnnl::matmul product;
  size_t index;  // among all primitives
  size_t scratch_bytes;
};

// What a primitive is executed with: objects without memory of their own, which
// a thread keeps, since oneDNN allocates for each of them.
struct Operands {
  memory a, b, c, scratch;
};

// Nothing here is ever destroyed: oneDNN may be gone before this library's
// static objects are.
struct Cache {
  std::shared_mutex mutex;
  std::unordered_map<OneDnnShape, Primitive, Hash> primitives;
};

Cache& GetCache() {
  static Cache* const cache = new Cache;
  return *cache;
}

const dnnl::engine& GetEngine() {
  CurrentInstructionSet();  // oneDNN's is fixed by its first use
  static const dnnl::engine* const engine =
      new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

// oneDNN takes as many threads as OpenMP offers to the caller.
class OneThread {
 public:
  OneThread() : saved_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(saved_); }

 private:
  const int saved_;
};

memory::desc Description(int64_t rows, int64_t columns, memory::data_type type,
                         bool transposed) {
  return memory::desc(
      {rows, columns}, type,
      transposed ? memory::format_tag::ba : memory::format_tag::ab);
}

Primitive Make(const OneDnnShape& shape, size_t index) {
  const memory::data_type type = shape.dtype == DType::kBFloat16
                                     ? memory::data_type::bf16
                                     : memory::data_type::f32;
  const memory::desc a =
      Description(shape.rows, shape.inner, type, shape.transposed_a);
  const memory::desc b =
      Description(shape.inner, shape.columns, type, shape.transposed_b);
  const memory::desc c =
      Description(shape.rows, shape.columns, memory::data_type::f32, false);
  const dnnl::engine& engine = GetEngine();
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc description(engine, a, b, c, attributes);
#else
  const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, b, c),
                                                 attributes, engine);
#endif
  return {description, dnnl::matmul(description), index,
          description.scratchpad_desc().get_size()};
}

// References stay valid: a map moves none of its elements.
const Primitive& Get(const OneDnnShape& shape) {
  Cache& cache = GetCache();
  {
    const std::shared_lock<std::shared_mutex> lock(cache.mutex);
    const auto found = cache.primitives.find(shape);
    if (found != cache.primitives.end()) return found->second;
  }
  const std::unique_lock<std::shared_mutex> lock(cache.mutex);
  const auto found = cache.primitives.find(shape);
  if (found != cache.primitives.end()) return found->second;
  const size_t index = cache.primitives.size();
  return cache.primitives.emplace(shape, Make(shape, index)).first->second;
}

// This thread's.
Operands& OperandsOf(const Primitive& primitive) {
  thread_local std::vector<Operands> all;
  if (all.size() <= primitive.index) all.resize(primitive.index + 1);
  Operands& operands = all[primitive.index];
  if (operands.a.get(/*allow_empty=*/true) == nullptr) {
    const auto without_memory = [](const memory::desc& description) {
      return memory(description, GetEngine(), DNNL_MEMORY_NONE);
    };
    const auto& description = primitive.description;
    operands = {without_memory(description.src_desc()),
                without_memory(description.weights_desc()),
                without_memory(description.dst_desc()),
                without_memory(description.scratchpad_desc())};
  }
  return operands;
}

// oneDNN reports by exceptions, all of which are bugs here.
template <typename Work>
auto Guarded(const OneDnnShape& shape, const Work& work) {
  const OneThread one_thread;
  try {
    return work();
  } catch (const dnnl::error& error) {
    SWITCHYARD_CHECK(false)
        << "oneDNN: " << error.what() << " (status " << error.status << ") for "
        << NameOf(shape.dtype) << " " << shape.rows << " x " << shape.columns
        << " x " << shape.inner;
    throw;
  }
}

}  // namespace

void OneDnnProduct(const OneDnnShape& shape, const void* a, const void* b,
                   float* c) {
  Guarded(shape, [&] {
    const Primitive& primitive = Get(shape);
    thread_local dnnl::stream stream(GetEngine());
    Operands& operands = OperandsOf(primitive);
    operands.a.set_data_handle(const_cast<void*>(a));
    operands.b.set_data_handle(const_cast<void*>(b));
    operands.c.set_data_handle(c);
    operands.scratch.set_data_handle(
        ThreadScratch<OneDnnScratch, char>(primitive.scratch_bytes));
    // The C++ interface would make a map of the arguments.
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, operands.a.get()},
        {DNNL_ARG_WEIGHTS, operands.b.get()},
        {DNNL_ARG_DST, operands.c.get()},
        {DNNL_ARG_SCRATCHPAD, operands.scratch.get()}};
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(primitive.product.get(), stream.get(),
                               std::size(arguments), arguments),
        "could not execute a product");
    stream.wait();
  });
}

void PrepareOneDnnProduct(const OneDnnShape& shape) {
  Guarded(shape, [&] { Get(shape); });
}

int64_t OneDnnPrimitiveCount() {
  Cache& cache = GetCache();
  const std::shared_lock<std::shared_mutex> lock(cache.mutex);
  return static_cast<int64_t>(cache.primitives.size());
}

}  // namespace switchyard::kernels::cpu
