// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tensors of one micro-batch (or of as many as the balance loss counts
// together, balance_options.h) take of a rank's arenas: bounds that
// follow from the options and the expert-parallel width alone. They count every
// allocation of the model's own modules; a router or a loss of somebody else's
// may take more.
//
// Bytes saturate at 10^18: what no machine holds needs no exact number.
#ifndef SWITCHYARD_RUNTIME_PLAN_ACTIVATION_MEMORY_H_
#define SWITCHYARD_RUNTIME_PLAN_ACTIVATION_MEMORY_H_

#include <cstdint>

#include "switchyard/runtime/train/options.h"

namespace switchyard {

// Real rows of the experts here, of one layer and one micro-batch of each rank
// of the expert-parallel group.
struct RoutedRows {
  int64_t received = 0;
  int64_t outgoing = 0;  // of this rank's tokens, to experts elsewhere
};
// If the experts share evenly: as many as the rank's own tokens ask for, or as
// capacity lets through.
RoutedRows EvenRows(const TrainOptions& options, int64_t width);
// If every token of the group that can sends all it can to this rank, within
// capacity and max_rows_per_rank.
RoutedRows WorstRows(const TrainOptions& options, int64_t width);

// An arena at the fullest moment of a micro-batch.
struct ArenaPeak {
  int64_t bytes = 0;    // in use at once
  int64_t largest = 0;  // of one tensor
};
// Activations, forward and backward. Segments are taken to be padded as much as
// any: 7 rows a segment or a sixteenth of the rows (kernels/segments.h). The
// forward passes of `together` micro-batches run before the first backward pass
// (RoundsTogether).
ArenaPeak ActivationPeak(const TrainOptions& options, const RoutedRows& rows,
                         int64_t together);
// Routing decisions, kept where activations are recomputed, and what the
// balance loss counts.
ArenaPeak DecisionPeak(const TrainOptions& options, int64_t together);

// Bytes that an arena has taken from the device at most, if it began with
// `first` and no micro-batch asks for more than `worst` (base/arena.h).
int64_t MostReserved(int64_t first, const ArenaPeak& worst);

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_PLAN_ACTIVATION_MEMORY_H_
