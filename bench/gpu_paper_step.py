# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds and bytes of a training step on GPUs, on paper, from the kernels of
gpu_paper_kernels.py."""
from gpu_paper_kernels import (GPU, MODEL, RUN, Backward, Forward, Sizes,
                               attention_flops, outside_layers)


def total(kernels):
    return sum(k.expected() for k in kernels)


def movement(s, share=1.0):
    """Seconds of one of dispatch, combine and their backward passes, or of a
    share of its rows."""
    return GPU["call"] + share * s.away / (GPU["nvlink"] * GPU["link_share"])


def chunk_shares(chunks):
    """Of the rows of each chunk, and of those that travel: a chunk is of pairs
    of ranks by their distance, of which 0 travels nowhere."""
    width = RUN["width"]
    bounds = [width * c // chunks for c in range(chunks + 1)]
    return [((last - first) / width, (last - max(first, 1)) / (width - 1))
            for first, last in zip(bounds, bounds[1:])]


class Queues:
    """When a GPU's kernels, the movements of rows and the reductions so far are
    done. Each goes in the order of the program. `joint`: movements and
    reductions have one queue."""

    def __init__(self, joint):
        self.joint = joint
        self.kernels = self.calls = self.reductions = 0.0

    def run(self, kernels, share=1.0):
        self.kernels += share * total(kernels)

    def call(self, seconds):
        self.calls = max(self.calls, self.kernels) + seconds
        return self.calls

    def reduce(self, seconds):
        if self.joint:
            self.call(seconds)
        else:
            self.reductions = max(self.reductions, self.kernels) + seconds

    def wait(self, end):
        self.kernels = max(self.kernels, end)

    def end(self):
        return max(self.kernels, self.calls, self.reductions)

    def through_experts(self, s, chunks, experts, meanwhile):
        shares = chunk_shares(chunks)
        arriving = [self.call(movement(s, away)) for _, away in shares]
        for (rows, away), end in zip(shares, arriving):
            self.wait(end)
            self.run(experts, rows)
            returned = self.call(movement(s, away))
        self.run(meanwhile)
        self.wait(returned)


class MicroBatch:
    """Seconds of one micro-batch on one rank; blocks are made again."""

    def __init__(self, capacity=0.0, layout=False):
        s = self.sizes = Sizes(capacity)
        self.parts = Forward(s, layout), Backward(s, layout)
        self.rest = outside_layers(s, layout)
        layers = MODEL["layers"]
        forward, backward = self.parts
        self.forward = layers * total(forward.all())
        self.again = layers * total(forward.again())
        self.backward = layers * total(backward.all())
        self.outside = total(self.rest)
        self.compute = self.forward + self.again + self.backward + self.outside
        # Dispatch and combine twice, their backward passes once.
        self.moving = 6 * layers * movement(s)

    def run(self, chunks, reductions=None, joint=False):
        """Where kernels and calls overlap as they are enqueued. `reductions`:
        of a layer's gradients and of a table's, of the last micro-batch."""
        queues, s = Queues(joint), self.sizes
        forward, backward = self.parts
        for _ in range(MODEL["layers"]):
            queues.run(forward.before + forward.router + forward.leaving)
            queues.through_experts(s, chunks, forward.experts, [])
            queues.run(forward.behind)
        queues.run(self.rest)
        of_layer, of_table = reductions or (0.0, 0.0)
        for done in range(MODEL["layers"]):
            queues.run(forward.before + forward.leaving)
            queues.through_experts(s, chunks, forward.experts, [])
            queues.run(forward.behind + backward.before)
            queues.through_experts(s, chunks, backward.experts,
                                   backward.weights)
            queues.run(backward.behind)
            if reductions:  # the head's go with the last layer's
                queues.reduce(of_layer + (of_table if done == 0 else 0.0))
        if reductions:
            queues.reduce(of_table)
        return queues.end()


def own_elements(s, ranks):
    return s.dense / ranks + s.experts / (ranks // RUN["width"])


def bucket(ranks):
    return max(RUN["bucket"], ranks * RUN["bucket_of_rank"])


def reductions(dense, experts, ranks, bytes_each):
    """Seconds in which gradients of `bytes_each` reach their shards, or
    weights of `bytes_each` all ranks: dense ones over all ranks in a ring that
    uses all NICs of a node, experts' over a group of one rank a node."""
    nodes = ranks // GPU["gpus_per_node"]
    nic = GPU["nic"] * GPU["link_share"]
    nvlink = GPU["nvlink"] * GPU["link_share"]
    sent = dense * bytes_each * (ranks - 1) / ranks
    of_dense = max(sent / (nic * GPU["gpus_per_node"]), sent / nvlink)
    of_experts = experts * bytes_each * (nodes - 1) / nodes / nic
    ring = (ranks - nodes) * GPU["hop_nvlink"] + nodes * GPU["hop_network"]
    latency = (dense / bucket(ranks) * (GPU["call"] + ring) +
               experts / bucket(nodes) *
               (GPU["call"] + (nodes - 1) * GPU["hop_network"]))
    return of_dense, of_experts, latency


def last_reductions(s, ranks, bytes_each):
    """Of a layer, and of the embedding or the head."""
    layers = MODEL["layers"]
    layer = reductions((s.dense - 2 * s.table) / layers, s.experts / layers,
                       ranks, bytes_each)
    return sum(layer), sum(reductions(s.table, 0, ranks, bytes_each))


def step(ranks, capacity, layout, chunks, joint=False):
    """chunks 0: nothing overlaps."""
    micro = MicroBatch(capacity, layout)
    s = micro.sizes
    sums = 8 if layout else 4
    gathering = sum(reductions(s.dense, s.experts, ranks, 2))
    own = own_elements(s, ranks)
    memory = GPU["hbm"] * GPU["hbm_share"]
    update = own * (34 if layout else 30) + own * sums + s.rank * sums
    if chunks == 0:
        passes = (RUN["micro_batches"] * (micro.compute + micro.moving) +
                  sum(reductions(s.dense, s.experts, ranks, sums)))
    else:
        last = last_reductions(s, ranks, sums)
        passes = ((RUN["micro_batches"] - 1) * micro.run(chunks) +
                  micro.run(chunks, last, joint))
    return passes + gathering + update / memory


def model_flops_of_token():
    """Of forward and backward, blocks not made again, as the plan counts."""
    m, s = MODEL, Sizes()
    active = (s.dense - m["vocabulary"] * m["hidden"] -
              m["hidden"] * (2 * m["layers"] + 1) +
              m["layers"] * m["top_k"] * s.expert)
    return 6 * active + 3 * m["layers"] * attention_flops() / s.tokens


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
