#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
"""What a training step should take on GPUs, on paper: the tables of
docs/gpu.md. Nothing here was measured on a GPU.

  bench/gpu_paper_model.py                  prints the tables
  bench/gpu_paper_model.py --check FILE     fails if a line of them is not in it
  bench/gpu_paper_model.py NAME=VALUE ...   with other numbers, those on top of
                                            gpu_paper_kernels.py: gemm_share=0.6
"""
import sys

from gpu_paper_kernels import GPU, MODEL, RUN, Sizes
from gpu_paper_step import (MicroBatch, activations, model_flops_of_token,
                            movement, own_elements, reductions, step, total)


def row(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |")


def head(*cells):
    row(*cells)
    print("|" + "---|" * len(cells))


def print_kernels(title, kernels, layers, whole):
    print(f"\n{title}\n")
    head("kernel", "GFLOP", "MB", "bound", "at the bound, ms", "expected, ms",
         "share of a micro-batch")
    for k in kernels:
        row(k.name, f"{k.flops / 1e9:.1f}" if k.flops else "-",
            f"{k.bytes / 1e6:.0f}" if k.bytes else "-",
            k.bound() if k.least() > 0 else "launches",
            f"{1e3 * k.least():.3f}", f"{1e3 * k.expected():.3f}",
            f"{100 * layers * k.times * k.expected() / whole:.1f} %")
    every = sum(k.times * k.expected() for k in kernels)
    row("sum", f"{sum(k.flops for k in kernels) / 1e9:.0f}",
        f"{sum(k.bytes for k in kernels) / 1e6:.0f}", "",
        f"{1e3 * sum(k.least() for k in kernels):.3f}",
        f"{1e3 * total(kernels):.3f}",
        f"{100 * layers * every / whole:.1f} %")


def print_all_kernels():
    micro = MicroBatch()
    layers = MODEL["layers"]
    whole = micro.compute + micro.moving
    forward, backward = micro.parts
    print_kernels("One layer, forward (two times a micro-batch, the router "
                  "once):", forward.all(), layers, whole)
    print_kernels("One layer, backward, fp32 sums:", backward.all(), layers,
                  whole)
    print_kernels("Outside the layers, fp32 sums:", micro.rest, 1, whole)


def print_attention():
    print("\nBounds of attention, one layer and sequence, ms:\n")
    names = ["wgmma", "mma.sync", "shared memory", "L2", "memory"]
    head("pass", "GFLOP", *names)
    for part in MicroBatch().parts:
        for k in part.all():
            if k.kind.endswith("attention"):
                row(k.kind, f"{k.flops / 1e9:.0f}",
                    *(f"{1e3 * k.bounds()[n]:.3f}" for n in names))


WAYS = (("`run`, dropless", False, False), ("`run`, capacity", True, False),
        ("`layout`, dropless", False, True), ("`layout`, capacity", True, True))


def ways():
    """Names, capacities and whether sums are those of `layout`."""
    for name, capped, layout in WAYS:
        capacity = RUN["capacity"] if capped else 0.0
        yield name + (f" {capacity:g}" if capped else ""), capacity, layout


def print_micro_batch():
    print("\nOne micro-batch of one rank, blocks made again, ms:\n")
    head("", "forward", "made again", "backward", "outside", "kernels",
         "6 x 32 movements", "sum", "overlapped, 1 chunk",
         f"overlapped, {RUN['chunks']} chunks")
    for name, capacity, layout in ways():
        b = MicroBatch(capacity, layout)
        row(name, *(f"{1e3 * x:.0f}" for x in (
            b.forward, b.again, b.backward, b.outside, b.compute, b.moving,
            b.compute + b.moving, b.run(1), b.run(RUN["chunks"]))))


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
            parts = reductions(s.dense, s.experts, ranks, bytes_each)
            row(ranks, name, *(f"{1e3 * x:.0f}" for x in parts),
                f"{1e3 * sum(parts):.0f}")


def print_steps():
    flops = model_flops_of_token()
    chunks = RUN["chunks"]
    print("\nA step of 8 micro-batches a rank, seconds:\n")
    head("ranks", "", "no overlap", "1 chunk", f"{chunks} chunks",
         f"{chunks} chunks, one queue", "tokens/s a GPU", "share of peak")
    tokens = RUN["micro_batches"] * Sizes().tokens
    for ranks in (32, 64):
        for name, capacity, layout in ways():
            times = [step(ranks, capacity, layout, c) for c in (0, 1, chunks)]
            times.append(step(ranks, capacity, layout, chunks, joint=True))
            rate = tokens / times[2]
            row(ranks, name, *(f"{x:.2f}" for x in times), f"{rate:.0f}",
                f"{100 * rate * flops / GPU['tensor']:.0f} %")


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
