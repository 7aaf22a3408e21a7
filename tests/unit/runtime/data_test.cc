// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Files, the split into trained and held-out text, and the sampler.
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "switchyard/runtime/data/byte_file.h"
#include "switchyard/runtime/data/permutation.h"
#include "switchyard/runtime/data/sampler.h"
#include "switchyard/runtime/data/sequence_table.h"
#include "switchyard/runtime/data/text_data_source.h"
#include "switchyard/tests/support/temporary_folder.h"

namespace switchyard {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

TEST(ByteFile, ReadsBytesAsTokens) {
  const testing::TemporaryFolder folder;
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes.push_back(static_cast<char>(i * 7));
  const auto file = ByteFile::Open(folder.Write("bytes", bytes), 256);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->size(), 1000);
  EXPECT_EQ((*file)->bytes_per_token(), 1.0);
  for (const int64_t count : {0, 1, 2, 3, 5, 8, 100, 997}) {
    std::vector<int32_t> tokens(static_cast<size_t>(count) + 2, -7);
    ASSERT_TRUE((*file)->Read(3, count, tokens.data() + 1).ok());
    EXPECT_EQ(tokens.front(), -7);
    EXPECT_EQ(tokens.back(), -7);
    for (int64_t i = 0; i < count; ++i) {
      ASSERT_EQ(tokens[i + 1], (i + 3) * 7 % 256) << count << " " << i;
    }
  }
}

TEST(ByteFile, RefusesTokensOutsideTheVocabulary) {
  const testing::TemporaryFolder folder;
  std::string text((1 << 20) + 10, 'a');
  text[(1 << 20) + 3] = '\x80';
  const std::string path = folder.Write("text", text);
  EXPECT_TRUE(ByteFile::Open(path, 129).ok());
  EXPECT_TRUE(ByteFile::Open(path, 1 << 20).ok());
  const auto refused = ByteFile::Open(path, 128);
  EXPECT_THAT(std::string(refused.status().message()),
              AllOf(HasSubstr("found 128 at byte 1048579"), HasSubstr(path)));
}

TEST(ByteFile, RefusesWhatIsNoFile) {
  const testing::TemporaryFolder folder;
  const std::string missing = folder.path() / "missing";
  EXPECT_THAT(std::string(ByteFile::Open(missing, 256).status().message()),
              HasSubstr(missing + ": No such file"));
  EXPECT_THAT(
      std::string(ByteFile::Open(folder.path(), 256).status().message()),
      HasSubstr("not a regular file"));
  EXPECT_FALSE(ByteFile::Open("/dev/zero", 256).ok());
}

TEST(ByteFile, AFileThatShrinksIsAnError) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.Write("text", std::string(100, 'a'));
  const auto file = ByteFile::Open(path, 256);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(truncate(path.c_str(), 50), 0);
  std::vector<int32_t> tokens(20);
  EXPECT_TRUE((*file)->Read(30, 20, tokens.data()).ok());
  const absl::Status status = (*file)->Read(40, 20, tokens.data());
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("at byte 50"));
}

TEST(Permutation, IsOneToOneForEverySize) {
  for (int64_t size = 1; size <= 300; ++size) {
    const Permutation permutation(size * 17, size);
    std::vector<int> hits(static_cast<size_t>(size), 0);
    for (int64_t i = 0; i < size; ++i) ++hits[permutation(i)];
    ASSERT_THAT(hits, Each(1)) << size;
  }
}

TEST(Permutation, HandlesTheLargestRange) {
  const int64_t size = int64_t{1} << 62;
  const Permutation permutation(1, size);
  std::set<int64_t> images;
  for (int64_t i = 0; i < 1000; ++i) {
    const int64_t image = permutation(size - 1 - i);
    EXPECT_TRUE(image >= 0 && image < size);
    images.insert(image);
  }
  EXPECT_EQ(images.size(), 1000u);
}

// Over keys, each index must go everywhere equally often. 4,000 keys, size 5:
// each of the 25 counts is binomial(4000, 1/5): mean 800, deviation 25.3. Six
// deviations are exceeded with a probability below 1e-7 if all is well.
TEST(Permutation, SpreadsEveryIndexEvenly) {
  constexpr int kKeys = 4000, kSize = 5;
  int counts[kSize][kSize] = {};
  for (int key = 0; key < kKeys; ++key) {
    const Permutation permutation(key, kSize);
    for (int i = 0; i < kSize; ++i) ++counts[i][permutation(i)];
  }
  for (const auto& row : counts) {
    for (const int count : row) EXPECT_NEAR(count, kKeys / kSize, 6 * 25.3);
  }
}

TEST(Sampler, DrawsEachSequenceOnceInAnEpoch) {
  constexpr int64_t kSequences = 103, kBatch = 10, kEpochs = 3;
  Sampler sampler(5, kSequences, kBatch);
  std::vector<std::vector<int64_t>> epochs(kEpochs);
  for (int64_t drawn = 0; drawn < kSequences * kEpochs; ++drawn) {
    epochs[drawn / kSequences].push_back(
        sampler.Sequence(drawn / kBatch, drawn % kBatch));
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
  for (std::vector<int64_t>& epoch : epochs) {
    std::sort(epoch.begin(), epoch.end());
    for (int64_t i = 0; i < kSequences; ++i) ASSERT_EQ(epoch[i], i);
  }
}

TEST(Sampler, IsAFunctionOfSeedAndStep) {
  Sampler forward(5, 103, 10), backward(5, 103, 10), other(6, 103, 10);
  std::map<std::pair<int64_t, int64_t>, int64_t> drawn;
  int same = 0;
  for (int64_t step = 0; step < 40; ++step) {
    for (int64_t i = 0; i < 10; ++i) {
      drawn[{step, i}] = forward.Sequence(step, i);
      same += drawn[{step, i}] == other.Sequence(step, i) ? 1 : 0;
    }
  }
  EXPECT_LT(same, 40);  // 400/103 expected by chance
  for (int64_t step = 39; step >= 0; --step) {
    for (int64_t i = 9; i >= 0; --i) {
      const int64_t expected = drawn[{step, i}];
      ASSERT_EQ(backward.Sequence(step, i), expected) << step << " " << i;
    }
  }
}

TEST(SequenceTable, CountsSequencesFileByFile) {
  // T = 4: 9 tokens are two sequences, 8 are one, 5 are one.
  const auto table =
      SequenceTable::Create({{"a", 9}, {"b", 8}, {"c", 5}}, 4, 0.0);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->training_count(), 4);
  EXPECT_EQ(table->held_out_count(), 0);
  const std::vector<std::pair<int, int64_t>> expected = {
      {0, 0}, {0, 4}, {1, 0}, {2, 0}};
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(table->Training(i).file, expected[i].first);
    EXPECT_EQ(table->Training(i).begin, expected[i].second);
  }
}

TEST(SequenceTable, RefusesFilesThatAreTooShort) {
  EXPECT_TRUE(SequenceTable::Create({{"a", 5}}, 4, 0.0).ok());
  for (const int64_t tokens : {0, 1, 4}) {
    const auto table = SequenceTable::Create({{"a", 99}, {"b", tokens}}, 4, 0);
    EXPECT_THAT(std::string(table.status().message()),
                AllOf(HasSubstr("= 5 tokens"), HasSubstr("in b")));
  }
  // Three sequences, one held out, one between: one is left. Two: none.
  EXPECT_TRUE(SequenceTable::Create({{"a", 13}}, 4, 0.1).ok());
  EXPECT_THAT(
      std::string(SequenceTable::Create({{"a", 9}}, 4, 0.1).status().message()),
      HasSubstr("--eval_fraction"));
}

// ceil(fraction · sequences) of the decimal as written; in doubles the products
// of the first three are a little above the whole number.
TEST(SequenceTable, TheHeldOutShareIsExact) {
  const struct {
    int64_t sequences;
    double fraction;
    int64_t held_out;
  } cases[] = {
      {100, 0.07, 7},
      {100, 0.14, 14},
      {100, 0.28, 28},
      {100, 0.0700001, 8},
      {100, 0.5, 50},
      {101, 0.5, 51},
      {100, 1e-9, 1},
      {100, 1e-300, 1},
      {100, 5e-324, 1},
      {1000, 0.9980001, 999},
      // A third is written 0.3333333333333333, so the share is 1e-16 · 2^40
      // below 2^40.
      {int64_t{3} << 40, 1.0 / 3.0, int64_t{1} << 40},
      {int64_t{1} << 60, 0.5, int64_t{1} << 59},
  };
  for (const auto& c : cases) {
    // One token is a sequence's label: sequences of 1 token, and one more.
    const auto table =
        SequenceTable::Create({{"a", c.sequences + 1}}, 1, c.fraction);
    if (c.held_out + 1 >= c.sequences) {
      EXPECT_THAT(std::string(table.status().message()),
                  HasSubstr("holds out 999"));
      continue;
    }
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_EQ(table->held_out_count(), c.held_out)
        << c.fraction << " of " << c.sequences;
  }
}

// To the byte: every token that evaluation sees, labels included, is unseen by
// training, and the held-out part is the end of each file.
TEST(SequenceTable, TrainingNeverSeesHeldOutText) {
  for (const int64_t length : {1, 2, 4, 7}) {
    for (const double fraction : {0.001, 0.1, 0.25, 0.5}) {
      const std::vector<SequenceTable::File> files = {
          {"a", 101}, {"b", 64}, {"c", 65}};
      const auto table = SequenceTable::Create(files, length, fraction);
      ASSERT_TRUE(table.ok()) << table.status();
      std::vector<int64_t> trained_end(files.size(), 0);
      std::vector<int64_t> held_begin(files.size(), 1000);
      for (int64_t i = 0; i < table->training_count(); ++i) {
        const SequenceLocation at = table->Training(i);
        EXPECT_EQ(at.begin % length, 0);
        trained_end[at.file] =
            std::max(trained_end[at.file], at.begin + length + 1);
      }
      for (int64_t i = 0; i < table->held_out_count(); ++i) {
        const SequenceLocation at = table->HeldOut(i);
        EXPECT_EQ(at.begin % length, 0);
        EXPECT_LE(at.begin + length + 1, files[at.file].tokens);
        held_begin[at.file] = std::min(held_begin[at.file], at.begin);
      }
      for (size_t f = 0; f < files.size(); ++f) {
        EXPECT_LE(trained_end[f], held_begin[f]) << length << " " << fraction;
        EXPECT_LT(held_begin[f], files[f].tokens);
        EXPECT_GT(trained_end[f], 0);
      }
      const double sequences = (100 / length) + (63 / length) + (64 / length);
      EXPECT_GE(table->held_out_count(), sequences * fraction);
      EXPECT_LT(table->held_out_count(), sequences * fraction + 3);
    }
  }
}

// Byte i of the file is i, so that tokens tell where they come from.
std::string Counting(int begin, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<char>(begin + i));
  return bytes;
}

TextDataOptions Options(const testing::TemporaryFolder& folder) {
  TextDataOptions options;
  options.files = {folder.Write("low", Counting(0, 101)),
                   folder.Write("high", Counting(128, 61))};
  options.sequence_length = 4;
  options.global_batch = 6;
  options.seed = 3;
  options.vocabulary = 256;
  return options;
}

TEST(TextDataSource, FillsSequencesWithTheirNextTokens) {
  const testing::TemporaryFolder folder;
  const auto source = TextDataSource::Create(Options(folder));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->training_sequence_count(), 25 + 15);
  EXPECT_EQ((*source)->eval_sequence_count(), 0);
  EXPECT_EQ((*source)->bytes_per_token(), 1.0);
  Batch batch;
  std::set<int64_t> indices;
  for (int64_t step = 0; step < 20; ++step) {
    ASSERT_TRUE((*source)->Fill(step, 0, 6, &batch).ok());
    ASSERT_EQ(batch.sequences, 6);
    ASSERT_EQ(batch.ids.size(), 24u);
    ASSERT_EQ(batch.labels.size(), 24u);
    EXPECT_THAT(batch.valid, Each(1));
    for (int64_t s = 0; s < 6; ++s) {
      const int64_t index = batch.sequence_index[s];
      indices.insert(index);
      const int32_t begin =
          static_cast<int32_t>(index < 25 ? index * 4 : 128 + (index - 25) * 4);
      for (int32_t t = 0; t < 4; ++t) {
        EXPECT_EQ(batch.ids[s * 4 + t], begin + t);
        EXPECT_EQ(batch.labels[s * 4 + t], begin + t + 1);
      }
    }
  }
  EXPECT_EQ(indices.size(), 40u);  // 120 draws of 40
}

TEST(TextDataSource, PartsOfABatchAreThoseOfTheWhole) {
  const testing::TemporaryFolder folder;
  auto source = *TextDataSource::Create(Options(folder));
  Batch whole, part;
  ASSERT_TRUE(source->Fill(7, 0, 6, &whole).ok());
  for (int64_t first = 0; first < 6; first += 2) {
    ASSERT_TRUE(source->Fill(7, first, 2, &part).ok());
    EXPECT_TRUE(std::equal(part.ids.begin(), part.ids.end(),
                           whole.ids.begin() + first * 4));
    EXPECT_TRUE(std::equal(part.labels.begin(), part.labels.end(),
                           whole.labels.begin() + first * 4));
  }
  // A rank without a micro-batch.
  ASSERT_TRUE(source->Fill(7, 6, 0, &part).ok());
  EXPECT_EQ(part.sequences, 0);
  EXPECT_TRUE(part.ids.empty());
}

TEST(TextDataSource, ReusesTheBatch) {
  const testing::TemporaryFolder folder;
  auto source = *TextDataSource::Create(Options(folder));
  Batch batch;
  ASSERT_TRUE(source->Fill(0, 0, 6, &batch).ok());
  const int32_t* ids = batch.ids.data();
  ASSERT_TRUE(source->Fill(1, 0, 3, &batch).ok());
  ASSERT_TRUE(source->Fill(2, 0, 6, &batch).ok());
  EXPECT_EQ(batch.ids.data(), ids);
}

TEST(TextDataSource, HeldOutTailIsNeverDrawn) {
  const testing::TemporaryFolder folder;
  TextDataOptions options = Options(folder);
  options.eval_fraction = 0.2;  // 5 of 25 and 3 of 15 sequences
  auto source = *TextDataSource::Create(options);
  ASSERT_EQ(source->eval_sequence_count(), 8);
  std::set<int32_t> held_out;
  Batch batch;
  ASSERT_TRUE(source->FillEval(0, 8, &batch).ok());
  for (int i = 0; i < 32; ++i) {
    held_out.insert(batch.ids[i]);
    held_out.insert(batch.labels[i]);
  }
  EXPECT_EQ(*held_out.begin(), 80);  // the last 5 sequences of 0 .. 100
  EXPECT_TRUE(held_out.count(100));
  EXPECT_FALSE(held_out.count(128 + 47));
  EXPECT_TRUE(held_out.count(128 + 48));
  for (int64_t step = 0; step < 100; ++step) {
    ASSERT_TRUE(source->Fill(step, 0, 6, &batch).ok());
    for (int i = 0; i < 24; ++i) {
      ASSERT_FALSE(held_out.count(batch.ids[i])) << batch.ids[i];
      ASSERT_FALSE(held_out.count(batch.labels[i])) << batch.labels[i];
    }
  }
}

TEST(TextDataSource, EvaluationIsAFixedListWithPaddingAtTheEnd) {
  const testing::TemporaryFolder folder;
  TextDataOptions options = Options(folder);
  options.eval_files = {folder.Write("eval", Counting(200, 13))};
  auto source = *TextDataSource::Create(options);
  options.seed = 99;
  auto other_seed = *TextDataSource::Create(options);
  ASSERT_EQ(source->eval_sequence_count(), 3);
  EXPECT_EQ(source->training_sequence_count(), 40);
  Batch batch, other;
  ASSERT_TRUE(source->FillEval(0, 5, &batch).ok());
  ASSERT_TRUE(other_seed->FillEval(0, 5, &other).ok());
  EXPECT_EQ(batch.ids, other.ids);
  EXPECT_EQ(batch.labels, other.labels);
  std::set<int32_t> begins;
  for (int s = 0; s < 3; ++s) {
    begins.insert(batch.ids[s * 4]);
    EXPECT_EQ(batch.labels[s * 4 + 3], batch.ids[s * 4] + 4);
    EXPECT_EQ(batch.valid[s * 4], 1);
  }
  EXPECT_EQ(begins, (std::set<int32_t>{200, 204, 208}));
  for (int i = 12; i < 20; ++i) {
    EXPECT_EQ(batch.ids[i], 0);
    EXPECT_EQ(batch.labels[i], kNoLabel);
    EXPECT_EQ(batch.valid[i], 0);
  }
  EXPECT_EQ(batch.sequence_index[3], -1);
}

TEST(TextDataSource, RefusesWithASentence) {
  const testing::TemporaryFolder folder;
  const TextDataOptions valid = Options(folder);
  const auto message = [](const TextDataOptions& options) {
    return std::string(TextDataSource::Create(options).status().message());
  };
  TextDataOptions options = valid;
  options.files = {};
  EXPECT_THAT(message(options), HasSubstr("--data FILE"));
  options = valid;
  options.files.push_back(folder.path() / "missing");
  EXPECT_THAT(message(options), HasSubstr("missing: No such file"));
  options = valid;
  options.sequence_length = 61;
  EXPECT_THAT(message(options), HasSubstr("62 tokens, found 61"));
  options = valid;
  options.vocabulary = 128;
  EXPECT_THAT(message(options), HasSubstr("vocabulary of 128, found 128"));
  options = valid;
  options.eval_files = {valid.files[0]};
  EXPECT_THAT(message(options), HasSubstr("not trained on"));
  options.eval_fraction = 0.1;
  EXPECT_THAT(message(options), HasSubstr("found both"));
  options = valid;
  options.eval_fraction = 1.0;
  EXPECT_THAT(message(options), HasSubstr("below 1, found 1"));
}

}  // namespace
}  // namespace switchyard
