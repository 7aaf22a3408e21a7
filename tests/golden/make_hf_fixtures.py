# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/hugging_face: small random models of each family, and what
transformers computes with them. Versions are in versions.txt there.

    python tests/golden/make_hf_fixtures.py tests/golden/hugging_face

Each folder is one model as save_pretrained writes it, and expected.safetensors:

    ids, labels      int64 [sequences, length]; labels belong to the token
                     before (-100: no loss), as the library has them
    logits           fp32 [sequences, length, vocabulary]
    loss             fp32 [1], mean cross-entropy
    gradient/NAME    of the loss, by the file's names
    aux_loss, with_aux/NAME   of models with experts: the pooled balance loss,
                     and the gradient of loss + router_aux_loss_coef aux_loss
    experts/LAYER    int64 [tokens, k], ascending
"""
import json
import os
import shutil
import sys

import safetensors
import safetensors.torch
import torch
import transformers

SEQUENCES, LENGTH, VOCABULARY = 2, 12, 48
AUX = 0.5  # large, so that its gradient shows

SIZES = dict(
    vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24,
    num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    head_dim=8, max_position_embeddings=64, initializer_range=0.3)
EXPERTS = dict(num_experts_per_tok=2, router_aux_loss_coef=AUX)

# Name, config, what the weights are stored in, bytes of a file.
MODELS = [
    ("mixtral_1", transformers.MixtralConfig(
        **SIZES, **EXPERTS, num_local_experts=4), torch.float32, "1GB"),
    ("mixtral_2", transformers.MixtralConfig(
        **SIZES, **EXPERTS, num_local_experts=6, sliding_window=5),
     torch.bfloat16, "8KB"),
    ("qwen3_moe_1", transformers.Qwen3MoeConfig(
        **SIZES, **EXPERTS, num_experts=4, moe_intermediate_size=16),
     torch.float32, "1GB"),
    ("qwen3_moe_2", transformers.Qwen3MoeConfig(
        **SIZES, **EXPERTS, num_experts=4, moe_intermediate_size=16,
        norm_topk_prob=True, mlp_only_layers=[0], attention_bias=True),
     torch.bfloat16, "1GB"),
    ("olmoe_1", transformers.OlmoeConfig(
        **{**SIZES, "num_attention_heads": 2}, **EXPERTS, num_experts=4),
     torch.float32, "1GB"),
    ("olmoe_2", transformers.OlmoeConfig(
        **{**SIZES, "num_attention_heads": 2, "num_key_value_heads": 1},
        **{**EXPERTS, "num_experts_per_tok": 3}, num_experts=6),
     torch.float16, "8KB"),
    ("llama_1", transformers.LlamaConfig(**SIZES), torch.float32, "1GB"),
    ("llama_2", transformers.LlamaConfig(**SIZES, attention_bias=True),
     torch.float16, "1GB"),
    ("mistral_1", transformers.MistralConfig(**SIZES, sliding_window=None),
     torch.float32, "1GB"),
    ("mistral_2", transformers.MistralConfig(**SIZES, sliding_window=5),
     torch.bfloat16, "8KB"),
    ("qwen3_1", transformers.Qwen3Config(**SIZES), torch.float32, "1GB"),
    ("qwen3_2", transformers.Qwen3Config(
        **SIZES, use_sliding_window=True, sliding_window=5,
        max_window_layers=0, tie_word_embeddings=True), torch.float32, "1GB"),
]


def shake(model, seed):
    """Norms, biases and routers begin as constants: they get values too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 1:
                base = 0.0 if name.endswith("bias") else 1.0
                p.copy_(base + 0.2 * noise)
            else:
                p.copy_(0.3 * noise)


def saved_names(model):
    """What save_pretrained would write, from any state dict of the model."""
    from transformers.core_model_loading import revert_weight_conversion
    return lambda state: revert_weight_conversion(model, state)


def gradients(model, prefix):
    state = {n: p.grad.detach().clone() for n, p in model.named_parameters()}
    return {prefix + n: g.contiguous().clone()
            for n, g in saved_names(model)(state).items()}


def run(model, ids, with_aux):
    model.zero_grad()
    extra = dict(output_router_logits=True) if with_aux else {}
    out = model(input_ids=ids, labels=make_labels(ids), **extra)
    out.loss.backward()
    return out


def make_labels(ids):
    labels = ids.clone()
    labels[0, 4] = -100
    labels[1, 9] = -100
    return labels


def chosen(model, ids):
    """The experts that the layers' routers choose."""
    layers, handles = {}, []
    for i, layer in enumerate(model.model.layers):
        router = getattr(layer.mlp, "gate", None)
        if router is None:
            continue
        def keep(module, arguments, output, i=i):
            layers["experts/%d" % i] = output[2].sort(dim=-1).values.clone()
        handles.append(router.register_forward_hook(keep))
    with torch.no_grad():
        model(input_ids=ids)
    for handle in handles:
        handle.remove()
    return layers


def make(folder, config, dtype, shard, seed):
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(seed)
    # Its row of the embedding would have no gradient.
    config.pad_token_id = None
    config.eos_token_id = None
    model = transformers.AutoModelForCausalLM.from_config(config)
    model = model.float().eval()
    shake(model, seed)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    # From the file, since what no file has (the rotary embedding's
    # frequencies) would stay rounded.
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(0, VOCABULARY, (SEQUENCES, LENGTH),
                        generator=torch.Generator().manual_seed(seed + 100))
    labels = torch.full_like(ids, -100)
    labels[:, :-1] = make_labels(ids)[:, 1:]
    out = run(model, ids, False)
    expected = {"ids": ids, "labels": labels,
                "logits": out.logits.detach().contiguous(),
                "loss": out.loss.detach().reshape(1),
                **gradients(model, "gradient/")}
    moe = hasattr(config, "num_experts_per_tok")
    if moe:
        out = run(model, ids, True)
        expected["aux_loss"] = out.aux_loss.detach().reshape(1)
        expected.update(gradients(model, "with_aux/"))
        expected.update(chosen(model, ids))
    safetensors.torch.save_file(
        expected, os.path.join(folder, "expected.safetensors"))
    for extra in ("generation_config.json",):
        path = os.path.join(folder, extra)
        if os.path.exists(path):
            os.remove(path)


def main():
    target = sys.argv[1]
    os.makedirs(target, exist_ok=True)
    torch.set_num_threads(1)
    for seed, (name, config, dtype, shard) in enumerate(MODELS):
        make(os.path.join(target, name), config, dtype, shard, seed + 1)
    with open(os.path.join(target, "versions.txt"), "w") as f:
        f.write("made by make_hf_fixtures.py with torch %s, transformers %s, "
                "safetensors %s\n" % (torch.__version__.split("+")[0],
                                      transformers.__version__,
                                      safetensors.__version__))


if __name__ == "__main__":
    main()
