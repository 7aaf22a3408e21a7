// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// A data source of this trainer's own: one file of text, mapped into memory,
// whose bytes are the tokens. Sequence i is bytes i·T to i·T + T; the library's
// sampler says which sequences a step takes, so that it takes the same as
// `switchyard train`.
#ifndef CUSTOM_TRAINER_MAPPED_TEXT_H_
#define CUSTOM_TRAINER_MAPPED_TEXT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "switchyard/runtime/data/data_source.h"
#include "switchyard/runtime/data/sampler.h"

namespace custom_trainer {

class MappedText : public switchyard::DataSource {
 public:
  static absl::StatusOr<std::unique_ptr<MappedText>> Open(
      const std::string& path);
  ~MappedText() override;

  int64_t sequence_length() const override;
  absl::Status Fill(int64_t step, int64_t first, int64_t count,
                    switchyard::Batch* batch) override;

  // Nothing is held out.
  int64_t eval_sequence_count() const override { return 0; }
  absl::Status FillEval(int64_t first, int64_t count,
                        switchyard::Batch* batch) override;
  double bytes_per_token() const override { return 1.0; }

 private:
  MappedText(const unsigned char* bytes, int64_t size);

  const unsigned char* const bytes_;
  const int64_t size_;
  switchyard::Sampler sampler_;
};

}  // namespace custom_trainer

#endif  // CUSTOM_TRAINER_MAPPED_TEXT_H_
