// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// Cases of the whole model's gradient: whole_model_test.cc has the claims, and
// any file of this program may instantiate them.
#ifndef SWITCHYARD_TESTS_GRADIENT_WHOLE_MODEL_H_
#define SWITCHYARD_TESTS_GRADIENT_WHOLE_MODEL_H_

#include "gtest/gtest.h"
#include "switchyard/base/philox.h"
#include "switchyard/tests/support/layout_run.h"
#include "switchyard/tests/support/one_rank_model.h"
#include "switchyard/tests/support/plain_model.h"
#include "switchyard/tests/support/state_values.h"
#include "switchyard/tests/support/synthetic_data.h"

namespace switchyard::testing {

struct WholeModelCase {
  const char* name;
  int64_t experts_per_token = 2;
  const char* capacity_factor = "0";
  OverflowOptions overflow = {};  // but for the factor
  bool loses_tokens = false;
  void (*edit)(ModelConfig&) = nullptr;
  AttentionConfig attention = {};
  int64_t heads = 2, kv_heads = 1, head_dim = 8;
  void (*edit_run)(TrainOptions&) = nullptr;
};

class WholeModelTest : public ::testing::TestWithParam<WholeModelCase> {
 protected:
  TrainOptions Options() const {
    TrainOptions options = SmallRun();
    options.global_batch = options.micro_batch = 2;
    options.seq_len = 12;
    options.model.hidden_size = 16;
    options.model.heads = GetParam().heads;
    options.model.kv_heads = GetParam().kv_heads;
    options.model.head_dim = GetParam().head_dim;
    options.model.attention = GetParam().attention;
    options.model.experts = 4;
    options.model.vocabulary = 20;
    options.model.initializer_range = 0.3f;
    options.model.experts_per_token = GetParam().experts_per_token;
    options.overflow = GetParam().overflow;
    if (GetParam().edit != nullptr) GetParam().edit(options.model);
    if (GetParam().edit_run != nullptr) GetParam().edit_run(options);
    options.overflow.capacity_factor =
        *CapacityFactor::Parse(GetParam().capacity_factor);
    return options;
  }

  Batch MakeBatch(const TrainOptions& options) const {
    SyntheticData data(options.model.vocabulary, options.seq_len, 2);
    Batch batch;
    EXPECT_TRUE(data.Fill(0, 0, 2, &batch).ok());
    batch.labels[3] = kNoLabel;
    for (int64_t t = 20; t < 24; ++t) {
      batch.valid[t] = 0;
      batch.labels[t] = kNoLabel;
    }
    return batch;
  }

  double Objective(const TrainOptions& options, const PlainWeights& weights,
                   const Batch& batch, const PlainLosses& held) const {
    PlainPass pass = PlainPassOf(options);
    pass.held = &held;
    const PlainLosses losses =
        RunPlainModel(options.model, weights, batch, pass);
    return losses.loss_sum / kLabels +
           options.model.balance_loss_coef * losses.balance +
           options.model.router_z_loss_coef * losses.z;
  }

  // Norms are not 1 and biases not 0, as after some steps; nor are those that
  // routers choose by.
  void Disturb(OneRankModel& model) const {
    SetStateValues(model.stream(), model.store(), 8);
    const AttentionConfig& attention = GetParam().attention;
    if (attention.qk_norm == QkNorm::kNone && !attention.qkv_bias()) return;
    for (const auto& parameter : model.store().parameters()) {
      if (!parameter->is_norm && !parameter->is_bias) continue;
      float* values = parameter->weight.data<float>();
      for (int64_t i = 0; i < parameter->element_count(); ++i) {
        const uint32_t word = Philox4x32(
            MixKey(8, parameter->name), {static_cast<uint32_t>(i), 0, 0, 0})[0];
        values[i] += static_cast<float>(word) * 0x1p-33f - 0.25f;
      }
    }
  }

  static constexpr double kLabels = 19.0;  // of MakeBatch
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_GRADIENT_WHOLE_MODEL_H_
