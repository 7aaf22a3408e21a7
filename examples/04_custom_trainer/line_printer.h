// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Prints what the loop reports as lines of JSON, with the names and the digits
// of `switchyard train`'s metrics.jsonl: the fewest that read back to the same
// bits.
#ifndef CUSTOM_TRAINER_LINE_PRINTER_H_
#define CUSTOM_TRAINER_LINE_PRINTER_H_

#include <string>

#include "training_loop.h"

namespace custom_trainer {

void PrintStep(const StepReport& report);
void PrintChecksum(const std::string& weights_checksum);

}  // namespace custom_trainer

#endif  // CUSTOM_TRAINER_LINE_PRINTER_H_
