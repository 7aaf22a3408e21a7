// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/data/text_data_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/check.h"
#include "switchyard/base/philox.h"
#include "switchyard/base/status.h"
#include "switchyard/runtime/data/open_token_file.h"

namespace switchyard {
namespace {

// The order of held-out sequences is the same for all seeds, so that runs are
// compared on the same text.
constexpr uint64_t kEvalKey = 0;

bool AreOneFile(const std::string& a, const std::string& b) {
  struct stat first, second;
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

absl::Status CheckHeldOut(const TextDataOptions& options) {
  if (!options.eval_files.empty() && options.eval_fraction > 0.0) {
    return absl::InvalidArgumentError(
        "expected --eval_data or --eval_fraction, found both; give one");
  }
  if (!(options.eval_fraction >= 0.0 && options.eval_fraction < 1.0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected --eval_fraction of at least 0 and below 1, found ",
        options.eval_fraction, "; correct it"));
  }
  for (const std::string& eval_file : options.eval_files) {
    for (const std::string& file : options.files) {
      if (AreOneFile(file, eval_file)) {
        return absl::InvalidArgumentError(absl::StrCat(
            "expected --eval_data that is not trained on, found ", eval_file,
            " in --data too; use --eval_fraction to hold out its end"));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::unique_ptr<TokenFile>>> OpenFiles(
    const std::vector<std::string>& paths, const TokenFileOptions& options) {
  std::vector<std::unique_ptr<TokenFile>> files;
  for (const std::string& path : paths) {
    SWITCHYARD_ASSIGN_OR_RETURN(std::unique_ptr<TokenFile> file,
                                OpenTokenFile(path, options));
    files.push_back(std::move(file));
  }
  return files;
}

absl::StatusOr<SequenceTable> TableOf(
    const std::vector<std::unique_ptr<TokenFile>>& files,
    int64_t sequence_length, double held_out) {
  std::vector<SequenceTable::File> sizes;
  for (const auto& file : files) sizes.push_back({file->path(), file->size()});
  return SequenceTable::Create(sizes, sequence_length, held_out);
}

// Mixes a file's size and samples of its tokens, its first and last among them,
// into `key`. A whole file may be too large to read before a run.
absl::StatusOr<uint64_t> MixFile(uint64_t key, const TokenFile& file) {
  constexpr int64_t kSamples = 64, kSampleTokens = 4096;
  key = MixKey(key, static_cast<uint64_t>(file.size()));
  const int64_t count = std::min(kSampleTokens, file.size());
  const int64_t last = file.size() - count;
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int64_t i = 0; i < kSamples; ++i) {
    const int64_t begin = i + 1 < kSamples ? last / (kSamples - 1) * i : last;
    SWITCHYARD_RETURN_IF_ERROR(file.Read(begin, count, tokens.data()));
    key = MixKey(key,
                 std::string_view(reinterpret_cast<const char*>(tokens.data()),
                                  tokens.size() * sizeof(int32_t)));
  }
  return key;
}

void Resize(int64_t sequences, int64_t sequence_length, Batch* batch) {
  batch->sequences = sequences;
  batch->sequence_length = sequence_length;
  const size_t positions = static_cast<size_t>(sequences * sequence_length);
  batch->ids.resize(positions);
  batch->labels.resize(positions);
  batch->valid.resize(positions);
  batch->sequence_index.resize(static_cast<size_t>(sequences));
}

void FillPadding(int64_t row, Batch* batch) {
  const int64_t begin = row * batch->sequence_length;
  const int64_t end = begin + batch->sequence_length;
  std::fill(batch->ids.begin() + begin, batch->ids.begin() + end, 0);
  std::fill(batch->labels.begin() + begin, batch->labels.begin() + end,
            kNoLabel);
  std::fill(batch->valid.begin() + begin, batch->valid.begin() + end, 0);
  batch->sequence_index[row] = -1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TextDataSource>> TextDataSource::Create(
    const TextDataOptions& options) {
  SWITCHYARD_CHECK(options.sequence_length > 0 && options.global_batch > 0)
      << options.sequence_length << " " << options.global_batch;
  if (options.files.empty() && options.eval_files.empty()) {
    return absl::InvalidArgumentError(
        "expected a file of text to train on, found none; give --data FILE");
  }
  SWITCHYARD_RETURN_IF_ERROR(CheckHeldOut(options));
  std::unique_ptr<Tokenizer> tokenizer;
  if (options.tokenizer != kByteTokenizer) {
    SWITCHYARD_ASSIGN_OR_RETURN(tokenizer, OpenTokenizer(options.tokenizer));
    SWITCHYARD_RETURN_IF_ERROR(CheckVocabulary(*tokenizer, options.vocabulary));
  }
  TokenFileOptions opening;
  opening.format = options.format;
  opening.vocabulary = options.vocabulary;
  opening.tokenizer = tokenizer.get();
  // Bits per byte are those of held-out text.
  opening.count_text = options.eval_fraction > 0.0;
  SWITCHYARD_ASSIGN_OR_RETURN(Files files, OpenFiles(options.files, opening));
  opening.count_text = true;
  SWITCHYARD_ASSIGN_OR_RETURN(Files eval_files,
                              OpenFiles(options.eval_files, opening));
  SWITCHYARD_ASSIGN_OR_RETURN(
      SequenceTable table,
      TableOf(files, options.sequence_length, options.eval_fraction));
  SWITCHYARD_ASSIGN_OR_RETURN(
      SequenceTable eval_table,
      TableOf(eval_files, options.sequence_length, 0.0));
  uint64_t identity = files.size();
  for (const auto& file : files) {
    SWITCHYARD_ASSIGN_OR_RETURN(identity, MixFile(identity, *file));
  }
  const uint64_t of_training = identity;
  for (const auto& file : eval_files) {
    SWITCHYARD_ASSIGN_OR_RETURN(identity, MixFile(identity, *file));
  }
  return std::unique_ptr<TextDataSource>(new TextDataSource(
      options, std::move(files), std::move(eval_files), std::move(table),
      std::move(eval_table), identity, of_training));
}

TextDataSource::TextDataSource(const TextDataOptions& options, Files files,
                               Files eval_files, SequenceTable table,
                               SequenceTable eval_table, uint64_t identity,
                               uint64_t training_identity)
    : sequence_length_(options.sequence_length),
      files_(std::move(files)),
      eval_files_(std::move(eval_files)),
      table_(std::move(table)),
      eval_table_(std::move(eval_table)),
      identity_(identity),
      training_identity_(training_identity),
      sampler_(options.seed, std::max<int64_t>(1, table_.training_count()),
               options.global_batch),
      tokens_(static_cast<size_t>(options.sequence_length) + 1) {}

absl::Status TextDataSource::FillSequence(const TokenFile& file, int64_t begin,
                                          int64_t index, int64_t row,
                                          Batch* batch) {
  SWITCHYARD_RETURN_IF_ERROR(
      file.Read(begin, sequence_length_ + 1, tokens_.data()));
  const int64_t first = row * sequence_length_;
  std::copy(tokens_.begin(), tokens_.end() - 1, batch->ids.begin() + first);
  std::copy(tokens_.begin() + 1, tokens_.end(), batch->labels.begin() + first);
  std::fill_n(batch->valid.begin() + first, sequence_length_, 1);
  batch->sequence_index[row] = index;
  return absl::OkStatus();
}

absl::Status TextDataSource::Fill(int64_t step, int64_t first, int64_t count,
                                  Batch* batch) {
  Resize(count, sequence_length_, batch);
  for (int64_t row = 0; row < count; ++row) {
    const int64_t index = sampler_.Sequence(step, first + row);
    const SequenceLocation location = table_.Training(index);
    SWITCHYARD_RETURN_IF_ERROR(FillSequence(*files_[location.file],
                                            location.begin, index, row, batch));
  }
  return absl::OkStatus();
}

int64_t TextDataSource::eval_sequence_count() const {
  return eval_files_.empty() ? table_.held_out_count()
                             : eval_table_.training_count();
}

absl::Status TextDataSource::FillEval(int64_t first, int64_t count,
                                      Batch* batch) {
  Resize(count, sequence_length_, batch);
  for (int64_t row = 0; row < count; ++row) {
    if (first + row >= eval_sequence_count()) {
      FillPadding(row, batch);
      continue;
    }
    // Shuffled, so that a few batches see all of the held-out text.
    const int64_t index =
        Permutation(kEvalKey, eval_sequence_count())(first + row);
    const SequenceLocation location = eval_files_.empty()
                                          ? table_.HeldOut(index)
                                          : eval_table_.Training(index);
    const Files& files = eval_files_.empty() ? files_ : eval_files_;
    SWITCHYARD_RETURN_IF_ERROR(
        FillSequence(*files[location.file], location.begin, index, row, batch));
  }
  return absl::OkStatus();
}

double TextDataSource::bytes_per_token() const {
  double tokens = 0.0, bytes = 0.0;
  for (const auto& file : eval_files_.empty() ? files_ : eval_files_) {
    if (!file->bytes_per_token().has_value()) return 0.0;
    tokens += static_cast<double>(file->size());
    bytes += static_cast<double>(file->size()) * *file->bytes_per_token();
  }
  return bytes / tokens;
}

}  // namespace switchyard
