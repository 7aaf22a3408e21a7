// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/sequence_table.h"

#include <algorithm>
#include <charconv>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"

namespace switchyard {
namespace {

// The file whose sequences include `index`, given the running totals.
int FileOf(const std::vector<int64_t>& totals, int64_t index) {
  SWITCHYARD_CHECK(index >= 0 && index < totals.back())
      << index << " " << totals.back();
  const auto next = std::upper_bound(totals.begin(), totals.end(), index);
  return static_cast<int>(next - totals.begin()) - 1;
}

// ceil(count · fraction), fraction in (0, 1) taken as the shortest decimal that
// reads back to it: digits · 10^-places. In floating point 100 · 0.07 is
// above 7.
int64_t CeilingOfShare(int64_t count, double fraction) {
  char text[32];
  const char* end = std::to_chars(text, text + sizeof(text), fraction,
                                  std::chars_format::scientific)
                        .ptr;
  int64_t digits = 0;
  int places = 0;
  const char* at = text;
  for (bool point = false; *at != 'e'; ++at) {
    if (*at == '.') {
      point = true;
      continue;
    }
    digits = digits * 10 + (*at - '0');
    places += point ? 1 : 0;
  }
  int exponent = 0;  // of ten, negative
  std::from_chars(at + 1, end, exponent);
  places -= exponent;
  // At most 17 digits times 19 of the count: below 10^36.
  if (places > 36) return 1;
  absl::uint128 power = 1;
  for (int i = 0; i < places; ++i) power *= 10;
  const absl::uint128 share = absl::uint128(count) * absl::uint128(digits);
  return static_cast<int64_t>((share + power - 1) / power);
}

absl::Status TooShort(const SequenceTable::File& file,
                      int64_t sequence_length) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected every file to hold a sequence of --seq_len + 1 = ",
                   sequence_length + 1, " tokens, found ", file.tokens, " in ",
                   file.path, "; give a longer file or shorten the sequences"));
}

absl::Status NothingToTrainOn(const SequenceTable::File& file,
                              int64_t sequences, int64_t held_out) {
  return absl::InvalidArgumentError(absl::StrCat(
      "expected every file to keep a sequence to train on, found ", sequences,
      " in ", file.path, ", of which --eval_fraction holds out ", held_out,
      " and one separates the parts; hold out less or shorten the sequences"));
}

}  // namespace

absl::StatusOr<SequenceTable> SequenceTable::Create(
    absl::Span<const File> files, int64_t sequence_length, double held_out) {
  SWITCHYARD_CHECK(sequence_length > 0 && held_out >= 0.0 && held_out < 1.0)
      << sequence_length << " " << held_out;
  SequenceTable table;
  table.sequence_length_ = sequence_length;
  for (const File& file : files) {
    const int64_t sequences = (file.tokens - 1) / sequence_length;
    if (file.tokens < 1 || sequences < 1) {
      return TooShort(file, sequence_length);
    }
    int64_t held = 0, training = sequences;
    if (held_out > 0.0) {
      held = CeilingOfShare(sequences, held_out);
      training = sequences - held - 1;
    }
    if (training < 1) return NothingToTrainOn(file, sequences, held);
    table.training_.push_back(table.training_.back() + training);
    table.held_out_.push_back(table.held_out_.back() + held);
    table.first_held_out_.push_back(sequences - held);
  }
  return table;
}

SequenceLocation SequenceTable::Training(int64_t index) const {
  const int file = FileOf(training_, index);
  return {file, (index - training_[file]) * sequence_length_};
}

SequenceLocation SequenceTable::HeldOut(int64_t index) const {
  const int file = FileOf(held_out_, index);
  const int64_t sequence = first_held_out_[file] + index - held_out_[file];
  return {file, sequence * sequence_length_};
}

}  // namespace switchyard
