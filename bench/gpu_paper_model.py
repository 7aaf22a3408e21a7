#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
"""What a training step should take on GPUs, on paper: the tables of
docs/gpu.md. Nothing here was measured on a GPU.

  bench/gpu_paper_model.py                  prints the tables
  bench/gpu_paper_model.py --check FILE     fails if a line of them is not in it
  bench/gpu_paper_model.py NAME=VALUE ...   with other numbers (see GPU, MODEL,
                                            RUN), such as gemm_share=0.6
"""
import sys

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
    hop_nvlink=1.9e-6,  # assumption: seconds, NCCL's ring with LL128
    hop_network=4.0e-6,  # likewise, between nodes
)
MODEL = dict(layers=32, hidden=4096, inner=14336, heads=32, kv_heads=8,
             head_dim=128, experts=8, top_k=2, vocabulary=32000)
RUN = dict(sequence=4096, micro_batch=1, micro_batches=8, capacity=1.25,
           width=8, bucket=2**20, chunk=65536, head_chunk=256)


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
        self.dense = (2 * m["vocabulary"] * m["hidden"] + self.router +
                      m["layers"] * (per_layer + 2 * m["hidden"]) +
                      m["hidden"])
        self.expert = 3 * m["hidden"] * m["inner"]
        self.experts = m["layers"] * m["experts"] // r["width"] * self.expert
        self.rank = self.dense + self.experts


class Kernel:
    """One line of a table: what is moved and computed by `times` calls."""

    def __init__(self, name, bytes_=0.0, flops=0.0, kind="memory", small=0):
        self.name, self.bytes, self.flops = name, bytes_, flops
        self.kind, self.small = kind, small

    def bounds(self):
        peak = {"product": GPU["tensor"], "fp32": GPU["fp32"]}
        times = {"memory": self.bytes / GPU["hbm"]}
        if self.kind in peak:
            times["tensor cores" if self.kind == "product" else "fp32"] = (
                self.flops / peak[self.kind])
        if self.kind in ("forward attention", "backward attention"):
            times.update(attention_bounds(self.kind, self.flops))
        return times

    def bound(self):
        times = self.bounds()
        return max(times, key=times.get)

    def least(self):
        return max(self.bounds().values())

    def expected(self):
        share = {"memory": GPU["hbm_share"], "tensor cores": GPU["gemm_share"],
                 "fp32": GPU["gemm_share"]}
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


def product(name, rows, columns, inner, more=0.0, reads=1):
    """rows x inner times inner x columns, `more` bytes beyond operands and a
    bf16 result; the left operand is read `reads` times."""
    bytes_ = 2 * (reads * rows * inner + inner * columns + rows * columns)
    return Kernel(name, bytes_ + more, 2 * rows * columns * inner, "product")


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


def forward_layer(s):
    m, t, res = MODEL, s.tokens, s.residual
    rotary = t * (m["heads"] + m["kv_heads"]) * m["head_dim"] * 2 * 2
    kernels = [
        Kernel("two RMSNorms with the residual add", 2 * 4 * res),
        product("q, k, v", t, s.qkv, m["hidden"]),
        Kernel("rotary embedding", rotary),
        Kernel("attention", 2 * t * (s.qkv + s.context), attention_flops(),
               "forward attention"),
        product("attention's output", t, m["hidden"], s.context),
        Kernel("router: input to fp32, product",
               3 * res + 2 * res, 2 * t * m["hidden"] * m["experts"], "fp32"),
        Kernel("router: choice, positions, row index", small=20),
        Kernel("permute", 3 * res),
        product("experts: gate and up", s.rows, 2 * m["inner"], m["hidden"]),
        Kernel("SwiGLU", 3 * s.inner_bytes),
        product("experts: down", s.rows, m["hidden"], m["inner"]),
        Kernel("unpermute", 3 * res)]
    if s.capacity:
        rows = s.rows + s.rows * (1 - 1 / RUN["width"])
        kernels.append(Kernel("zeros where no row came",
                              rows * m["hidden"] * 2))
    return kernels


def backward_layer(s, layout):
    m, t, res = MODEL, s.tokens, s.residual
    hidden, inner, width = m["hidden"], m["inner"], RUN["width"]
    rotary = t * (m["heads"] + m["kv_heads"]) * m["head_dim"] * 2 * 2
    kernels = [
        Kernel("gates' gradients", 3 * res),
        Kernel("permute", 3 * res),
        product("experts: down, inputs", s.rows, inner, hidden),
        Kernel("SwiGLU", 5 * s.inner_bytes),
        product("experts: gate and up, inputs", s.rows, hidden, 2 * inner)]
    kernels += weight_gradient("experts: down, weights", s.rows, hidden, inner,
                               width, layout)
    kernels += weight_gradient("experts: gate and up, weights", s.rows,
                               2 * inner, hidden, width, layout, calls=2)
    kernels += [
        Kernel("unpermute", 3 * res),
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
    kernels += [product("q, k, v, inputs", t, hidden, s.qkv),
                Kernel("two RMSNorms", 2 * 6 * res)]
    if s.capacity:
        rows = s.rows + s.rows * (1 - 1 / width)
        kernels.append(Kernel("zeros where no row came", rows * hidden * 2))
    return kernels


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


def total(kernels):
    return sum(k.expected() for k in kernels)


def movement(s):
    """Seconds of one of dispatch, combine and their backward passes."""
    return s.away / (GPU["nvlink"] * GPU["link_share"])


class MicroBatch:
    """Seconds of one micro-batch on one rank; blocks are made again."""

    def __init__(self, capacity=0.0, layout=False):
        s = Sizes(capacity)
        layers = MODEL["layers"]
        self.sizes = s
        self.forward = layers * total(forward_layer(s))
        self.backward = layers * total(backward_layer(s, layout))
        self.outside = total(outside_layers(s, layout))
        self.compute = 2 * self.forward + self.backward + self.outside
        self.movement = layers * movement(s)
        # Dispatch and combine twice, their backward passes once.
        self.moving = 6 * self.movement
        # The last way back travels while weight gradients are formed.
        self.hidden = self.movement


def own_elements(s, ranks):
    return s.dense / ranks + s.experts / (ranks // RUN["width"])


def reductions(s, ranks, bytes_each, bucketed=True):
    """Seconds in which gradients of `bytes_each` reach their shards, or
    weights of `bytes_each` all ranks: dense ones over all ranks in a ring that
    uses all NICs of a node, experts' over a group of one rank a node."""
    nodes = ranks // GPU["gpus_per_node"]
    nic = GPU["nic"] * GPU["link_share"]
    nvlink = GPU["nvlink"] * GPU["link_share"]
    dense = s.dense * bytes_each * (ranks - 1) / ranks
    of_dense = max(dense / (nic * GPU["gpus_per_node"]), dense / nvlink)
    of_experts = s.experts * bytes_each * (nodes - 1) / nodes / nic
    if not bucketed:
        return of_dense, of_experts, 0.0
    ring = (ranks - nodes) * GPU["hop_nvlink"] + nodes * GPU["hop_network"]
    latency = (s.dense / RUN["bucket"] * ring +
               s.experts / RUN["bucket"] * (nodes - 1) * GPU["hop_network"])
    return of_dense, of_experts, latency


def step(ranks, capacity, layout, overlap):
    """overlap: none, present (what the program hides), possible (what hiding
    the reductions under the last backward pass would give besides)."""
    micro = MicroBatch(capacity, layout)
    s = micro.sizes
    sums = 8 if layout else 4
    reducing = sum(reductions(s, ranks, sums))
    gathering = sum(reductions(s, ranks, 2))
    one = micro.compute + micro.moving
    if overlap != "none":
        one -= micro.hidden
    under = micro.backward + micro.forward if overlap == "possible" else 0.0
    own = own_elements(s, ranks)
    memory = GPU["hbm"] * GPU["hbm_share"]
    update = own * (34 if layout else 30) + own * sums + s.rank * sums
    return (RUN["micro_batches"] * one + max(0.0, reducing - under) +
            gathering + update / memory)


def model_flops_of_token():
    """Of forward and backward, blocks not made again, as the plan counts."""
    m, s = MODEL, Sizes()
    active = (s.dense - m["vocabulary"] * m["hidden"] -
              m["hidden"] * (2 * m["layers"] + 1) +
              m["layers"] * m["top_k"] * s.expert)
    return 6 * active + 3 * m["layers"] * attention_flops() / s.tokens


def row(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |")


def head(*cells):
    row(*cells)
    print("|" + "---|" * len(cells))


def print_kernels(title, kernels, count, whole):
    print(f"\n{title}\n")
    head("kernel", "GFLOP", "MB", "bound", "at the bound, ms", "expected, ms",
         "share of a micro-batch")
    for k in kernels:
        row(k.name, f"{k.flops / 1e9:.1f}" if k.flops else "-",
            f"{k.bytes / 1e6:.0f}" if k.bytes else "-",
            k.bound() if k.least() > 0 else "launches",
            f"{1e3 * k.least():.3f}", f"{1e3 * k.expected():.3f}",
            f"{100 * count * k.expected() / whole:.1f} %")
    row("sum", f"{sum(k.flops for k in kernels) / 1e9:.0f}",
        f"{sum(k.bytes for k in kernels) / 1e6:.0f}", "",
        f"{1e3 * sum(k.least() for k in kernels):.3f}",
        f"{1e3 * total(kernels):.3f}",
        f"{100 * count * total(kernels) / whole:.1f} %")


def print_all_kernels():
    micro = MicroBatch()
    s, layers = micro.sizes, MODEL["layers"]
    whole = micro.compute + micro.moving
    print_kernels("One layer, forward (two times a micro-batch):",
                  forward_layer(s), 2 * layers, whole)
    print_kernels("One layer, backward, fp32 sums:", backward_layer(s, False),
                  layers, whole)
    print_kernels("Outside the layers, fp32 sums:", outside_layers(s, False),
                  1, whole)


def print_attention():
    print("\nBounds of attention, one layer and sequence, ms:\n")
    names = ["wgmma", "mma.sync", "shared memory", "L2", "memory"]
    head("pass", "GFLOP", *names)
    s = Sizes()
    for kernels in (forward_layer(s), backward_layer(s, False)):
        for k in kernels:
            if k.kind.endswith("attention"):
                row(k.kind, f"{k.flops / 1e9:.0f}",
                    *(f"{1e3 * k.bounds()[n]:.3f}" for n in names))


def print_micro_batch():
    print("\nOne micro-batch of one rank, blocks made again, ms:\n")
    head("", "forward", "made again", "backward", "outside", "kernels",
         "6 x 32 movements", "of them hidden", "sum without overlap")
    for name, capacity, layout in (
            ("`run`, dropless, even load", 0.0, False),
            ("`run`, capacity 1.25", RUN["capacity"], False),
            ("`layout`, dropless, even load", 0.0, True),
            ("`layout`, capacity 1.25", RUN["capacity"], True)):
        b = MicroBatch(capacity, layout)
        row(name, *(f"{1e3 * x:.0f}" for x in (
            b.forward, b.forward, b.backward, b.outside, b.compute, b.moving,
            b.hidden, b.compute + b.moving)))


def print_travel():
    print("\nAll-to-all, bytes that a rank sends and seconds over NVLink:\n")
    head("", "rows of a layer", "MB a movement", "ms a movement",
         "GB a micro-batch (6 x 32)", "ms a micro-batch")
    for name, capacity in (("dropless, even load", 0.0),
                           ("capacity 1.25", RUN["capacity"])):
        s = Sizes(capacity)
        times = 6 * MODEL["layers"]
        row(name, f"{s.rows:.0f}", f"{s.away / 1e6:.1f}",
            f"{1e3 * movement(s):.3f}", f"{times * s.away / 1e9:.2f}",
            f"{1e3 * times * movement(s):.1f}")
    print("\nGradients and weights, once a step, ms:\n")
    head("ranks", "what", "dense", "experts", "latency of buckets", "sum")
    s = Sizes()
    for ranks in (32, 64):
        for name, bytes_each in (("gradients, fp32", 4), ("gradients, int64", 8),
                                 ("weights, bf16", 2)):
            parts = reductions(s, ranks, bytes_each)
            row(ranks, name, *(f"{1e3 * x:.0f}" for x in parts),
                f"{1e3 * sum(parts):.0f}")


def print_steps():
    flops = model_flops_of_token()
    print("\nA step of 8 micro-batches a rank, seconds:\n")
    head("ranks", "", "no overlap", "as the program is",
         "reductions hidden as well", "tokens/s a GPU", "share of peak")
    tokens = RUN["micro_batches"] * Sizes().tokens
    for ranks in (32, 64):
        for name, capacity, layout in (
                ("`run`, dropless", 0.0, False),
                ("`run`, capacity 1.25", RUN["capacity"], False),
                ("`layout`, dropless", 0.0, True),
                ("`layout`, capacity 1.25", RUN["capacity"], True)):
            times = [step(ranks, capacity, layout, o)
                     for o in ("none", "present", "possible")]
            rate = tokens / times[1]
            row(ranks, name, *(f"{x:.2f}" for x in times), f"{rate:.0f}",
                f"{100 * rate * flops / GPU['tensor']:.0f} %")


def activations(recompute):
    """As runtime/plan/activation_memory.cc, without what is small, and with
    the scratch of attention that a GPU takes instead of the CPU's."""
    m, s = MODEL, Sizes()
    padded = s.rows * 17 / 16 + 7 * m["experts"]
    buffer = (padded + s.rows * (1 - 1 / RUN["width"])) * m["hidden"] * 2
    inner = padded * m["inner"] * 2
    layer = (4 * s.residual + s.tokens * (s.qkv + s.context) * 2 +
             2 * buffer + 3 * inner)
    outputs = 2 * s.residual
    kept = m["layers"] * (outputs + (0 if recompute else layer))
    again = outputs + layer if recompute else 0
    backward = again + s.residual + 2 * buffer + inner
    table = m["vocabulary"] * m["hidden"] * 4
    return kept + 5 * s.residual + max(backward, table)


def print_memory():
    print("\nMemory of a rank, GB:\n")
    head("ranks", "weights", "masters", "moments", "sums, fp32 (int64)",
         "before activations, fp32 (int64)", "with activations, made again",
         "with activations, kept")
    s = Sizes()
    for ranks in (8, 16, 32, 64, 128):
        own = own_elements(s, ranks)
        weights, masters, moments = 2 * s.rank, 4 * own, 8 * own
        base = [weights + masters + moments + b * s.rank for b in (4, 8)]
        made, kept = activations(True), activations(False)
        row(ranks, f"{weights / 1e9:.1f}", f"{masters / 1e9:.1f}",
            f"{moments / 1e9:.1f}",
            f"{4 * s.rank / 1e9:.1f} ({8 * s.rank / 1e9:.1f})",
            f"{base[0] / 1e9:.1f} ({base[1] / 1e9:.1f})",
            *(f"{(base[0] + a) / 1e9:.1f} ({(base[1] + a) / 1e9:.1f})"
              for a in (made, kept)))


def print_tables():
    s = Sizes()
    print(f"A token takes {model_flops_of_token():,.0f} FLOP forward and "
          f"backward; a rank holds {s.rank:,} parameters, {s.dense:,} of them "
          "dense.")
    print_all_kernels()
    print_attention()
    print_travel()
    print_micro_batch()
    print_steps()
    print_memory()


def change(arguments):
    for argument in arguments:
        name, _, value = argument.partition("=")
        known = [d for d in (GPU, MODEL, RUN) if name in d]
        if not known or not value:
            sys.exit(f"gpu_paper_model.py: expected NAME=VALUE, found "
                     f"'{argument}'; names: "
                     + ", ".join([*GPU, *MODEL, *RUN]))
        known[0][name] = type(known[0][name])(float(value))


def check(path):
    """Whether every line that is printed stands in the page."""
    import contextlib
    import io
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        print_tables()
    with open(path, encoding="utf-8") as page:
        lines = set(page.read().splitlines())
    missing = [x for x in printed.getvalue().splitlines()
               if x.startswith("|") and x not in lines]
    if missing:
        sys.exit(f"{path} lacks:\n" + "\n".join(missing))


def main():
    arguments = sys.argv[1:]
    if "-h" in arguments or "--help" in arguments:
        print(__doc__)
    elif arguments[:1] == ["--check"] and len(arguments) == 2:
        check(arguments[1])
    else:
        change(arguments)
        print_tables()


if __name__ == "__main__":
    main()
