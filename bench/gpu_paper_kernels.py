# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernels of a training step on GPUs, on paper: what gpu_paper_model.py
assumes, and what each kernel moves and computes."""

GPU = dict(
    tensor=989.4e12,  # bf16, dense, by wgmma (data sheet of the H100 SXM)
    fp32=66.9e12,  # without tensor cores (data sheet)
    hbm=3.35e12,  # bytes/s (data sheet)
    memory=80e9,  # bytes (data sheet)
    nvlink=450e9,  # bytes/s each way (data sheet: 900 GB/s for both)
    nic=50e9,  # bytes/s each way of one of a node's 8 NICs of 400 Gb/s
    gpus_per_node=8,
    sms=132,
    flops_per_clock=4096,  # of an SM's tensor cores: tensor / (sms * clock)
    shared_per_clock=128,  # bytes of an SM's shared memory
    mma_sync=0.63,  # assumption: of `tensor` (microbenchmarks: 2402.13499)
    l2=5.5e12,  # assumption: bytes/s
    gemm_share=0.70,  # assumption: of `tensor`, large products by cuBLAS
    hbm_share=0.85,  # assumption: of `hbm`, kernels bound by memory
    attention_share=0.80,  # assumption: of the bound of our own kernels
    link_share=0.80,  # assumption: of `nvlink` and `nic`, by NCCL
    small_kernel=4e-6,  # assumption: seconds of a kernel with little to do
    call=14e-6,  # assumption: seconds of a call of NCCL that moves nothing
    hop_nvlink=1.9e-6,  # assumption: seconds, NCCL's ring with LL128
    hop_network=4.0e-6,  # likewise, between nodes
)
MODEL = dict(layers=32, hidden=4096, inner=14336, heads=32, kv_heads=8,
             head_dim=128, experts=8, top_k=2, vocabulary=32000)
RUN = dict(sequence=4096, micro_batch=1, micro_batches=8, capacity=1.25,
           width=8, chunks=4, bucket=2**20, bucket_of_rank=2**18,
           head_chunk=256)


class Sizes:
    """Counts that the tables share. Bytes are of bf16 unless named."""

    def __init__(self, capacity=0.0):
        m, r = MODEL, RUN
        self.tokens = r["sequence"] * r["micro_batch"]
        self.residual = self.tokens * m["hidden"] * 2
        even = self.tokens * m["top_k"]
        self.rows = even * capacity if capacity > 0 else even
        self.capacity = capacity
        self.row_bytes = self.rows * m["hidden"] * 2
        self.inner_bytes = self.rows * m["inner"] * 2
        self.qkv = (m["heads"] + 2 * m["kv_heads"]) * m["head_dim"]
        self.context = m["heads"] * m["head_dim"]
        self.away = self.row_bytes * (1 - 1 / r["width"])
        per_layer = m["hidden"] * (self.qkv + self.context)
        self.router = m["layers"] * m["experts"] * m["hidden"]
        self.table = m["vocabulary"] * m["hidden"]  # embedding, and head
        self.dense = (2 * self.table + self.router +
                      m["layers"] * (per_layer + 2 * m["hidden"]) +
                      m["hidden"])
        self.expert = 3 * m["hidden"] * m["inner"]
        self.experts = m["layers"] * m["experts"] // r["width"] * self.expert
        self.rank = self.dense + self.experts


class Kernel:
    """One line of a table: what is moved and computed, `times` a layer."""

    def __init__(self, name, bytes_=0.0, flops=0.0, kind="memory", small=0,
                 times=1):
        self.name, self.bytes, self.flops = name, bytes_, flops
        self.kind, self.small, self.times = kind, small, times

    def bounds(self):
        times = {"memory": self.bytes / GPU["hbm"]}
        if self.kind == "product":
            times["tensor cores"] = self.flops / GPU["tensor"]
        if self.kind == "fp32":
            times["fp32"] = self.flops / GPU["fp32"]
        if self.kind in ("forward attention", "backward attention"):
            times.update(attention_bounds(self.kind, self.flops))
        return times

    def bound(self):
        times = self.bounds()
        return max(times, key=times.get)

    def least(self):
        return max(self.bounds().values())

    def expected(self):
        share = {"memory": GPU["hbm_share"], "fp32": GPU["gemm_share"],
                 "tensor cores": GPU["gemm_share"]}
        return (self.least() / share.get(self.bound(), GPU["attention_share"]) +
                self.small * GPU["small_kernel"])


# Of 64 x 64 scores (forward) and of 32 x 64 (both backward kernels), of one
# block of four warps with 16 rows each: FLOP, bytes that warps read from shared
# memory, bytes that arrive there from L2. A tile row of a head is 256 bytes.
def attention_tiles():
    row = MODEL["head_dim"] * 2
    product = 2 * 64 * MODEL["head_dim"]  # FLOP for each passing row
    forward = (64 * 2 * product, 4 * 64 * 2 * row, 64 * 2 * row)
    own = 4 * 16 * 2 * row  # a warp's own rows, for two products
    keys = (32 * 4 * product, own + 4 * 32 * 4 * row, 32 * 2 * row)
    queries = (32 * 3 * product, own + 4 * 32 * 3 * row, 32 * 2 * row)
    backward = tuple(a + b for a, b in zip(keys, queries))
    return {"forward attention": forward, "backward attention": backward}


def attention_bounds(kind, flops):
    work, read, arriving = attention_tiles()[kind]
    clock = GPU["tensor"] / (GPU["sms"] * GPU["flops_per_clock"])
    shared = GPU["sms"] * GPU["shared_per_clock"] * clock
    return {"wgmma": flops / GPU["tensor"],
            "mma.sync": flops / (GPU["tensor"] * GPU["mma_sync"]),
            "shared memory": flops / work * (read + arriving) / shared,
            "L2": flops / work * arriving / GPU["l2"]}


def product(name, rows, columns, inner, pieces=1):
    """rows x inner times inner x columns; the result is bf16. Made in `pieces`
    of the rows, each of which reads the inner x columns again."""
    bytes_ = 2 * (rows * inner + pieces * inner * columns + rows * columns)
    return Kernel(name, bytes_, 2 * rows * columns * inner, "product")


def expert_product(name, rows, columns, inner, layout):
    """Of a rank's expert: one product of all its segments, which follow one
    another, or under `layout` one of each rank's."""
    return product(name, rows, columns, inner, RUN["width"] if layout else 1)


def weight_gradient(name, rows, columns, inner, pieces, layout, calls=1):
    """A sum of columns x inner over `rows`, cut into `pieces` where sums are
    int64: a product writes a leaf of fp32, which is then read and added."""
    operands = 2 * rows * (columns + calls * inner)
    bytes_of_sum = (4 + 20) * pieces if layout else 8
    kernel = Kernel(name, operands + bytes_of_sum * columns * inner,
                    2 * rows * columns * inner, "product")
    if layout:  # adding is a kernel of its own, and does not overlap
        kernel.bytes -= 20 * pieces * columns * inner
        added = Kernel(name + ": adding", 20 * pieces * columns * inner)
        return [kernel, added]
    return [kernel]


def attention_flops():
    t = RUN["sequence"]
    pairs = RUN["micro_batch"] * MODEL["heads"] * t * (t + 1) / 2
    return 4 * MODEL["head_dim"] * pairs  # two products


def zeros(s):
    """Full segments travel where experts have a capacity: zeros go wherever a
    row of this rank's tokens may, which is to its own segment and to the rows
    that leave, one segment for each other rank."""
    return ([Kernel("zeros where no row came", s.row_bytes)] if s.capacity
            else [])


class Forward:
    """A layer's kernels: before its rows travel, of the experts, behind. A
    layer that is made again keeps what its router decided."""

    def __init__(self, s, layout):
        m, t, res = MODEL, s.tokens, s.residual
        rotary = t * (m["heads"] + m["kv_heads"]) * m["head_dim"] * 2 * 2
        self.router = [
            Kernel("router: input to fp32, product", 3 * res + 2 * res,
                   2 * t * m["hidden"] * m["experts"], "fp32"),
            Kernel("router: choice, positions, row index", small=20)]
        self.before = [
            Kernel("two RMSNorms with the residual add", 2 * 4 * res),
            product("q, k, v", t, s.qkv, m["hidden"]),
            Kernel("rotary embedding", rotary),
            Kernel("attention", 2 * t * (s.qkv + s.context), attention_flops(),
                   "forward attention"),
            product("attention's output", t, m["hidden"], s.context)]
        self.leaving = [Kernel("permute", 3 * res)] + zeros(s)
        self.experts = [
            expert_product("experts: gate and up", s.rows, 2 * m["inner"],
                           m["hidden"], layout),
            Kernel("SwiGLU", 3 * s.inner_bytes),
            expert_product("experts: down", s.rows, m["hidden"], m["inner"],
                           layout)]
        self.behind = [Kernel("unpermute", 3 * res)]
        for kernel in self.again():
            kernel.times = 2

    def again(self):
        return self.before + self.leaving + self.experts + self.behind

    def all(self):
        return (self.before + self.router + self.leaving + self.experts +
                self.behind)


class Backward:
    """Likewise; weights' gradients are formed while the last rows travel."""

    def __init__(self, s, layout):
        m, res = MODEL, s.residual
        hidden, inner, width = m["hidden"], m["inner"], RUN["width"]
        self.before = [Kernel("gates' gradients", 3 * res),
                       Kernel("permute", 3 * res)] + zeros(s)
        self.experts = [
            expert_product("experts: down, inputs", s.rows, inner, hidden,
                           layout),
            Kernel("SwiGLU", 5 * s.inner_bytes),
            expert_product("experts: gate and up, inputs", s.rows, hidden,
                           2 * inner, layout)]
        self.weights = weight_gradient("experts: down, weights", s.rows, hidden,
                                       inner, width, layout)
        self.weights += weight_gradient("experts: gate and up, weights", s.rows,
                                        2 * inner, hidden, width, layout,
                                        calls=2)
        self.behind = [Kernel("unpermute", 3 * res)] + dense_backward(s, layout)

    def all(self):
        return self.before + self.experts + self.weights + self.behind


def dense_backward(s, layout):
    m, t, res, hidden = MODEL, s.tokens, s.residual, MODEL["hidden"]
    rotary = t * (m["heads"] + m["kv_heads"]) * m["head_dim"] * 2 * 2
    kernels = [
        Kernel("router: casts, products, add",
               (3 + 2 + 2 + 3 + 3) * res, 4 * t * hidden * m["experts"],
               "fp32"),
        Kernel("router and balance loss", small=10)]
    kernels += weight_gradient("attention's output, weights", t, hidden,
                               s.context, 1, layout)
    kernels += [
        product("attention's output, inputs", t, s.context, hidden),
        Kernel("attention: dout . out", 2 * res),
        Kernel("attention", 2 * t * (2 * s.qkv + s.context) + 2 * res,
               3.5 * attention_flops(), "backward attention"),
        Kernel("rotary embedding", rotary)]
    kernels += weight_gradient("q, k, v, weights", t, s.qkv, hidden, 1, layout,
                               calls=3)
    return kernels + [product("q, k, v, inputs", t, hidden, s.qkv),
                      Kernel("two RMSNorms", 2 * 6 * res)]


def outside_layers(s, layout):
    """Once a micro-batch. The head works in chunks of tokens: its weights and
    the sum of their gradients pass through once a chunk."""
    m, t, res = MODEL, s.tokens, s.residual
    table = m["vocabulary"] * m["hidden"]
    chunks = -(-t // RUN["head_chunk"])
    flops = 2 * t * table
    logits = t * m["vocabulary"]
    kernels = [
        Kernel("embedding", 2 * res),
        Kernel("last RMSNorm, forward and backward", (4 + 6) * res),
        Kernel("head: logits", 2 * table * chunks + 4 * logits + res, flops,
               "product"),
        Kernel("head: softmax, loss, gradient", (3 * 4 + 2) * logits),
        Kernel("head: inputs", 2 * table * chunks + 2 * logits + res, flops,
               "product"),
        Kernel("head: weights", 8 * table * chunks + 2 * logits + res, flops,
               "product")]
    if layout:
        kernels.append(Kernel("head: adding", 20 * table))
    kernels.append(Kernel("embedding: gradient",
                          res + t * m["hidden"] * (16 if layout else 8),
                          small=12))
    return kernels
