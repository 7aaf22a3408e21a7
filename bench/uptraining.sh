#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# What conversions cost and what training gives back, on a model of a million
# parameters (docs/uptraining.md has the figures of one run):
#
#   bench/uptraining.sh TEXT FOLDER
#
# Grouped-query attention: a multi-head model is trained, its key and value
# heads are pooled (mean, first, random), and each model is trained on for 5 %
# of the steps. Upcycling: a dense model is trained, becomes a mixture, and both
# go on for half of the steps, beside a mixture from scratch. SWITCHYARD is the
# command, STEPS the length of the first trainings.
set -euo pipefail
TEXT=$(readlink -f "${1:?expected a text}")
FOLDER=${2:?expected a new folder}
HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/..
SWITCHYARD=$(readlink -f "${SWITCHYARD:-$HERE/build/release/switchyard}")
STEPS=${STEPS:-1500}
mkdir -p "$FOLDER"
cd "$FOLDER"

config() { # TYPE HEADS_OF_KEYS MORE
  cat <<JSON
{"model_type": "$1", "hidden_size": 128, "num_hidden_layers": 2,
 "num_attention_heads": 8, "num_key_value_heads": $2, "head_dim": 16,
 "vocab_size": 256, "max_position_embeddings": 4096, "hidden_act": "silu",
 "rope_theta": 10000.0, "rms_norm_eps": 1e-05, "initializer_range": 0.02,
 "tie_word_embeddings": false, $3}
JSON
}
MIXTURE='"intermediate_size": 256, "num_local_experts": 8,
 "num_experts_per_tok": 2, "balance_loss_coef": 0.01'
config mixtral 8 "$MIXTURE" >mixture.json
config llama 8 '"intermediate_size": 256' >dense.json

train() { # NAME STEPS FLAGS...
  local name=$1 steps=$2
  shift 2
  "$SWITCHYARD" train --data "$TEXT" --out "$name" --steps "$steps" "$@" \
    --seq_len 128 --global_batch 16 --micro_batch 16 --threads 1 \
    --eval_fraction 0.01 --eval_batches 16 --eval_every "$steps" \
    --layer_metrics_every 0 --log_every 1000000 --checkpoint_every "$steps" \
    >"$name.log" 2>&1
}
# The first and the last validation loss of a run.
losses() {
  sed -n 's/.*"eval_loss": \([0-9.]*\).*/\1/p' "$1/metrics.jsonl" |
    sed -n '1p;$p' | xargs printf '%.4f %.4f'
}
# Goes on at the last rate of the schedule before, with a fresh optimizer.
go_on() { # NAME FROM STEPS FLAGS...
  local name=$1 from=$2 steps=$3
  shift 3
  train "$name" "$steps" --init_from "$from" --schedule constant --lr 3e-4 \
    --warmup_steps $((steps / 10)) "$@"
}

train multi_head "$STEPS" --model mixture.json --lr 3e-3
echo "multi-head, $STEPS steps: $(losses multi_head)"
short=$((STEPS / 20))
echo "after the conversion, and after $short steps more"
for heads in 8 2 1; do
  for method in mean first random; do
    name=kv_${heads}_$method
    "$SWITCHYARD" convert gqa multi_head "$name.ckpt" --kv_heads "$heads" \
      --method "$method" >/dev/null
    go_on "$name" "$name.ckpt" "$short"
    echo "  $heads key/value heads, $method: $(losses "$name")"
    [[ $heads -lt 8 ]] || break
  done
done

train dense "$STEPS" --model dense.json --lr 3e-3
echo "dense, $STEPS steps: $(losses dense)"
half=$((STEPS / 2))
"$SWITCHYARD" convert upcycle dense upcycled.ckpt --experts 8 --top_k 2 >/dev/null
go_on dense_on dense "$half"
echo "  dense, $half steps more: $(losses dense_on)"
go_on upcycled upcycled.ckpt "$half" --balance_loss_coef 0.01
echo "  upcycled, $half steps more: $(losses upcycled)"
train scratch "$half" --model mixture.json --lr 3e-3
echo "  mixture from scratch, $half steps: $(losses scratch)"
