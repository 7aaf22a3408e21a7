// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Batches from files of text or tokens: the data source of `switchyard train`.
#ifndef SWITCHYARD_RUNTIME_DATA_TEXT_DATA_SOURCE_H_
#define SWITCHYARD_RUNTIME_DATA_TEXT_DATA_SOURCE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "switchyard/runtime/data/data_format.h"
#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/data/open_tokenizer.h"
#include "switchyard/runtime/data/sampler.h"
#include "switchyard/runtime/data/sequence_table.h"
#include "switchyard/runtime/data/token_file.h"

namespace switchyard {

struct TextDataOptions {
  // To train on; may be empty where there are eval_files, if nobody calls Fill.
  std::vector<std::string> files;
  // Held-out text: other files, or the end of each file. Not both.
  std::vector<std::string> eval_files;
  double eval_fraction = 0.0;  // in [0, 1)
  int64_t sequence_length = 0;
  int64_t global_batch = 0;
  uint64_t seed = 0;
  int64_t vocabulary = 0;  // tokens are below it
  DataFormat format = DataFormat::kAuto;
  // As OpenTokenizer takes it. Encodes text; of ready-made tokens it tells how
  // many bytes of text they stand for.
  std::string tokenizer = kByteTokenizer;
};

class TextDataSource : public DataSource {
 public:
  // An error names the file: missing, damaged, shorter than a sequence, holding
  // a token outside the vocabulary, or both trained and evaluated on.
  static absl::StatusOr<std::unique_ptr<TextDataSource>> Create(
      const TextDataOptions& options);

  int64_t sequence_length() const override { return sequence_length_; }
  absl::Status Fill(int64_t step, int64_t first, int64_t count,
                    Batch* batch) override;
  int64_t eval_sequence_count() const override;
  absl::Status FillEval(int64_t first, int64_t count, Batch* batch) override;
  // Of the files' sizes and of samples of their tokens, not of their names.
  uint64_t identity() const override { return identity_; }
  // The same of the text to train on alone.
  uint64_t training_identity() const { return training_identity_; }
  double bytes_per_token() const override;

  int64_t training_sequence_count() const { return table_.training_count(); }

 private:
  using Files = std::vector<std::unique_ptr<TokenFile>>;

  TextDataSource(const TextDataOptions& options, Files files, Files eval_files,
                 SequenceTable table, SequenceTable eval_table,
                 uint64_t identity, uint64_t training_identity);

  absl::Status FillSequence(const TokenFile& file, int64_t begin, int64_t index,
                            int64_t row, Batch* batch);

  const int64_t sequence_length_;
  const Files files_;
  const Files eval_files_;  // empty: the held-out part of files_
  const SequenceTable table_;
  const SequenceTable eval_table_;
  const uint64_t identity_, training_identity_;
  Sampler sampler_;
  std::vector<int32_t> tokens_;  // of one sequence and its last label
};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_DATA_TEXT_DATA_SOURCE_H_
