// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/optim/sharded_adamw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "switchyard/base/status.h"
#include "switchyard/kernels/elementwise.h"
#include "switchyard/kernels/norms.h"

namespace switchyard {
namespace {

constexpr size_t kReductionsUnderWay = 8;

}  // namespace

ShardedAdamW::ShardedAdamW(Stream& stream, const Grid& grid,
                           ParameterStore& store, const AdamWOptions& options,
                           uint64_t seed)
    : stream_(stream), world_(grid.world()), store_(store), options_(options) {
  for (ParameterGroup& group : store.groups()) {
    shards_.push_back(MakeShard(group, seed));
  }
  Device& device = stream.device();
  size_t reductions = 0;
  for (const Shard& shard : shards_) reductions += shard.layout.buckets.size();
  if (device.kind() == DeviceKind::kCpu) {
    reductions = std::min(reductions, kReductionsUnderWay);
  }
  reductions_.resize(reductions);
  const Shape chunks = {store.chunk_count()};
  chunk_sum_storage_ = Storage(device, DType::kFloat64, chunks);
  chunk_sums_ = chunk_sum_storage_.View(DType::kFloat64, chunks);
  host_chunk_sums_.resize(store.chunk_count());
  const Shape parameters = {static_cast<int64_t>(store.parameters().size())};
  total_refused_storage_ = Storage(device, DType::kInt64, parameters);
  total_refused_ = total_refused_storage_.View(DType::kInt64, parameters);
  host_refused_.resize(store.parameters().size());
  host_total_refused_.resize(store.parameters().size());
  stream.Wait();
}

ShardedAdamW::Shard ShardedAdamW::MakeShard(ParameterGroup& group,
                                            uint64_t seed) {
  Shard shard;
  shard.group = &group;
  shard.layout = MakeShardLayout(group.parameters, group.ranks->size(),
                                 group.ranks->rank());
  shard.waiting_buckets = shard.layout.buckets.size();
  const bool has_master = group.dtype != DType::kFloat32;
  const int64_t count = shard.layout.own_element_count;
  const Shape own = {count};
  const int64_t bytes = count * static_cast<int64_t>(sizeof(float));
  shard.storage = Storage(stream_.device(), DType::kFloat32,
                          {count * (has_master ? 3 : 2)});
  shard.m = shard.storage.View(DType::kFloat32, own);
  shard.v = shard.storage.View(DType::kFloat32, own, bytes);
  stream_.Zero(shard.m);
  stream_.Zero(shard.v);
  if (has_master) {
    shard.master = shard.storage.View(DType::kFloat32, own, 2 * bytes);
  }
  for (const Piece& piece : shard.layout.pieces) {
    const int64_t length = piece.end - piece.begin;
    if (has_master) {
      ParameterStore::InitialValue(
          stream_, *piece.parameter, seed,
          piece.begin - piece.parameter->group_offset,
          shard.master.Rows(piece.state_offset, piece.state_offset + length));
    }
    int64_t place = piece.first_chunk;
    for (int64_t at = piece.begin; at < piece.end; at += kernels::kNormChunk) {
      chunks_.push_back(group.gradients.Rows(
          at, std::min(at + kernels::kNormChunk, piece.end)));
      chunk_places_.push_back(place++);
    }
  }
  return shard;
}

int64_t ShardedAdamW::own_element_count() const {
  int64_t count = 0;
  for (const Shard& shard : shards_) count += shard.layout.own_element_count;
  return count;
}

int64_t ShardedAdamW::state_bytes() const {
  int64_t bytes = 0;
  for (const Shard& shard : shards_) {
    bytes += static_cast<int64_t>(shard.storage.byte_count());
  }
  return bytes;
}

absl::Status ShardedAdamW::StartReduction(Shard& shard, const Bucket& bucket) {
  ParameterGroup& group = *shard.group;
  comm::Ticket& ticket = reductions_[started_++ % reductions_.size()];
  SWITCHYARD_RETURN_IF_ERROR(ticket.Wait());
  ticket = group.ranks->ReduceScatter(
      stream_, group.gradients.Rows(bucket.begin, bucket.end),
      group.gradients.Rows(bucket.own_begin, bucket.own_end), bucket.counts,
      comm::ReduceOp::kSum, {-1, "gradients"});
  return absl::OkStatus();
}

absl::Status ShardedAdamW::GradientsComplete(int first) {
  for (Shard& shard : shards_) {
    if (shard.group->ranks->size() == 1) continue;
    const std::vector<Bucket>& buckets = shard.layout.buckets;
    while (shard.waiting_buckets > 0 &&
           buckets[shard.waiting_buckets - 1].first_parameter >= first) {
      SWITCHYARD_RETURN_IF_ERROR(
          StartReduction(shard, buckets[--shard.waiting_buckets]));
    }
  }
  return absl::OkStatus();
}

void ShardedAdamW::Poll() {
  // A GPU's move by themselves.
  if (stream_.device().kind() == DeviceKind::kCuda) return;
  for (comm::Ticket& ticket : reductions_) ticket.Poll();
}

absl::Status ShardedAdamW::FinishReduction() {
  SWITCHYARD_RETURN_IF_ERROR(GradientsComplete(0));
  for (size_t i = 0; i < reductions_.size(); ++i) {
    SWITCHYARD_RETURN_IF_ERROR(
        reductions_[(started_ + i) % reductions_.size()].Wait());
  }
  for (Shard& shard : shards_) {
    shard.waiting_buckets = shard.layout.buckets.size();
  }
  return absl::OkStatus();
}

absl::Status ShardedAdamW::GatherShard(Shard& shard) {
  ParameterGroup& group = *shard.group;
  if (group.ranks->size() == 1) return absl::OkStatus();
  constexpr size_t kGathersUnderWay = 4;
  std::array<comm::Ticket, kGathersUnderWay> gathers;
  const std::vector<Bucket>& buckets = shard.layout.buckets;
  for (size_t i = 0; i < buckets.size() + kGathersUnderWay; ++i) {
    comm::Ticket& ticket = gathers[i % kGathersUnderWay];
    SWITCHYARD_RETURN_IF_ERROR(ticket.Wait());
    if (i >= buckets.size()) continue;
    const Bucket& bucket = buckets[i];
    ticket = group.ranks->AllGather(
        stream_, group.weights.Rows(bucket.own_begin, bucket.own_end),
        group.weights.Rows(bucket.begin, bucket.end), bucket.counts,
        {-1, "weights"});
  }
  return absl::OkStatus();
}

absl::StatusOr<double> ShardedAdamW::GradientNorm() {
  stream_.Zero(chunk_sums_);
  kernels::SumOfSquares(stream_, {.chunks = chunks_,
                                  .places = chunk_places_,
                                  .fraction_bits = options_.fraction_bits,
                                  .result = chunk_sums_});
  // Every chunk has one owner: all other addends are zero, so this sum is
  // exact and its order does not matter.
  SWITCHYARD_RETURN_IF_ERROR(world_
                                 .AllReduce(stream_, chunk_sums_,
                                            comm::ReduceOp::kSum,
                                            {-1, "gradient norm"})
                                 .Wait());
  stream_.CopyToHost(host_chunk_sums_.data(), chunk_sums_);
  SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(stream_, world_));
  double sum = 0.0;
  for (double chunk : host_chunk_sums_) sum += chunk;
  return std::sqrt(sum);
}

absl::Status ShardedAdamW::CountRefused(GradientReport& report) {
  stream_.CopyToHost(host_refused_.data(), store_.refused());
  stream_.Copy(total_refused_, store_.refused());
  SWITCHYARD_RETURN_IF_ERROR(world_
                                 .AllReduce(stream_, total_refused_,
                                            comm::ReduceOp::kSum,
                                            {-1, "refused gradients"})
                                 .Wait());
  stream_.CopyToHost(host_total_refused_.data(), total_refused_);
  SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(stream_, world_));
  size_t first = host_total_refused_.size();
  for (size_t i = host_total_refused_.size(); i-- > 0;) {
    report.refused += host_total_refused_[i];
    if (host_total_refused_[i] > 0) first = i;
  }
  if (report.refused == 0) return absl::OkStatus();
  // All ranks are here: they have seen the same sums.
  report.parameter = store_.parameters()[first]->name;
  const TensorView finder = total_refused_.Rows(0, 1);
  const int64_t mine = host_refused_[first] > 0 ? world_.rank() : world_.size();
  stream_.CopyToDevice(finder, &mine);
  SWITCHYARD_RETURN_IF_ERROR(world_
                                 .AllReduce(stream_, finder,
                                            comm::ReduceOp::kMin,
                                            {-1, "refusing rank"})
                                 .Wait());
  int64_t rank = 0;
  stream_.CopyToHost(&rank, finder);
  SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(stream_, world_));
  report.rank = static_cast<int>(rank);
  return absl::OkStatus();
}

absl::StatusOr<GradientReport> ShardedAdamW::ReduceGradients() {
  GradientReport report;
  SWITCHYARD_RETURN_IF_ERROR(CountRefused(report));
  SWITCHYARD_RETURN_IF_ERROR(FinishReduction());
  SWITCHYARD_ASSIGN_OR_RETURN(report.norm, GradientNorm());
  if (report.refused == 0) FindBrokenSums(report);
  return report;
}

// Sums in fp32 refuse nothing: what is not finite is found in their squares,
// which all ranks have.
void ShardedAdamW::FindBrokenSums(GradientReport& report) const {
  if (std::isfinite(report.norm)) return;
  for (const auto& parameter : store_.parameters()) {
    int64_t broken = 0;
    for (int64_t i = 0; i < parameter->chunk_count(); ++i) {
      broken +=
          std::isfinite(host_chunk_sums_[parameter->first_chunk + i]) ? 0 : 1;
    }
    if (broken > 0 && report.refused == 0) report.parameter = parameter->name;
    report.refused += broken;
  }
}

absl::StatusOr<double> ShardedAdamW::FromRankZero(double value) {
  const TensorView one = chunk_sums_.Rows(0, 1);
  stream_.CopyToDevice(one, &value);
  SWITCHYARD_RETURN_IF_ERROR(
      world_.Broadcast(stream_, one, 0, {-1, "learning rate"}).Wait());
  stream_.CopyToHost(&value, one);
  SWITCHYARD_RETURN_IF_ERROR(comm::WaitForResults(stream_, world_));
  return value;
}

kernels::AdamWSettings ShardedAdamW::Settings(double learning_rate,
                                              double norm) const {
  const bool clip = options_.clip_norm > 0.0 && norm > options_.clip_norm;
  kernels::AdamWSettings settings;
  settings.learning_rate = static_cast<float>(learning_rate);
  settings.beta1 = static_cast<float>(options_.beta1);
  settings.beta2 = static_cast<float>(options_.beta2);
  settings.eps = static_cast<float>(options_.eps);
  settings.step_size = static_cast<float>(learning_rate / (1.0 - beta1_power_));
  settings.inverse_sqrt_correction2 =
      static_cast<float>(1.0 / std::sqrt(1.0 - beta2_power_));
  settings.gradient_scale =
      clip ? static_cast<float>(options_.clip_norm / norm) : 1.0f;
  settings.fraction_bits = options_.fraction_bits;
  return settings;
}

void ShardedAdamW::UpdateShard(const Shard& shard,
                               const kernels::AdamWSettings& settings) const {
  for (const Piece& piece : shard.layout.pieces) {
    const int64_t state_end = piece.state_offset + piece.end - piece.begin;
    const auto state = [&](const TensorView& all) {
      return all.Rows(piece.state_offset, state_end);
    };
    kernels::AdamWArgs args;
    args.gradient = shard.group->gradients.Rows(piece.begin, piece.end);
    args.weight = shard.group->weights.Rows(piece.begin, piece.end);
    args.master = shard.master.defined() ? state(shard.master) : args.weight;
    args.m = state(shard.m);
    args.v = state(shard.v);
    args.settings = settings;
    const bool is_vector = piece.parameter->is_norm || piece.parameter->is_bias;
    const bool decays = !is_vector || options_.decay_norms;
    args.settings.weight_decay =
        decays ? static_cast<float>(options_.weight_decay) : 0.0f;
    kernels::AdamW(stream_, args);
  }
}

absl::Status ShardedAdamW::Update(double learning_rate, double norm) {
  SWITCHYARD_ASSIGN_OR_RETURN(const double rate, FromRankZero(learning_rate));
  ++updates_;
  // Powers by multiplication: the C library's pow differs between machines.
  beta1_power_ *= options_.beta1;
  beta2_power_ *= options_.beta2;
  const kernels::AdamWSettings settings = Settings(rate, norm);
  for (Shard& shard : shards_) UpdateShard(shard, settings);
  for (Shard& shard : shards_) SWITCHYARD_RETURN_IF_ERROR(GatherShard(shard));
  return absl::OkStatus();
}

absl::Status ShardedAdamW::VisitWeights(const Shard& shard,
                                        StateVisitor& visitor) {
  auto piece = shard.layout.pieces.begin();  // in the group's flat order
  for (const Parameter* parameter : shard.group->parameters) {
    const int64_t end = parameter->group_offset + parameter->element_count();
    int64_t next = 0;
    for (int64_t at = parameter->group_offset; at < end; at = next) {
      const bool any = piece != shard.layout.pieces.end() && piece->begin < end;
      const bool owned = any && piece->begin == at;
      next = owned ? piece->end : any ? piece->begin : end;
      if (owned) ++piece;
      SWITCHYARD_RETURN_IF_ERROR(visitor.Visit(
          {parameter->name, parameter->shape, at - parameter->group_offset,
           shard.group->weights.Rows(at, next), owned}));
    }
  }
  return absl::OkStatus();
}

absl::Status ShardedAdamW::VisitMoments(const Shard& shard,
                                        StateVisitor& visitor) {
  for (const Piece& piece : shard.layout.pieces) {
    const Parameter& parameter = *piece.parameter;
    const auto visit = [&](const char* kind, const TensorView& state) {
      const int64_t end = piece.state_offset + piece.end - piece.begin;
      return visitor.Visit({absl::StrCat(kind, "/", parameter.name),
                            parameter.shape,
                            piece.begin - parameter.group_offset,
                            state.Rows(piece.state_offset, end),
                            /*owned=*/true});
    };
    SWITCHYARD_RETURN_IF_ERROR(visit("exp_avg", shard.m));
    SWITCHYARD_RETURN_IF_ERROR(visit("exp_avg_sq", shard.v));
    if (shard.master.defined()) {
      SWITCHYARD_RETURN_IF_ERROR(visit("master", shard.master));
    }
  }
  return absl::OkStatus();
}

absl::Status ShardedAdamW::VisitState(StateVisitor& visitor) {
  for (const Shard& shard : shards_) {
    SWITCHYARD_RETURN_IF_ERROR(VisitWeights(shard, visitor));
    SWITCHYARD_RETURN_IF_ERROR(VisitMoments(shard, visitor));
  }
  SWITCHYARD_RETURN_IF_ERROR(visitor.Visit("updates", &updates_));
  SWITCHYARD_RETURN_IF_ERROR(visitor.Visit("beta1_power", &beta1_power_));
  return visitor.Visit("beta2_power", &beta2_power_);
}

absl::Status ShardedAdamW::VisitGradients(StateVisitor& visitor) {
  for (const Shard& shard : shards_) {
    for (const Piece& piece : shard.layout.pieces) {
      const Parameter& parameter = *piece.parameter;
      SWITCHYARD_RETURN_IF_ERROR(
          visitor.Visit({parameter.name, parameter.shape,
                         piece.begin - parameter.group_offset,
                         shard.group->gradients.Rows(piece.begin, piece.end),
                         /*owned=*/true}));
    }
  }
  return absl::OkStatus();
}

}  // namespace switchyard
