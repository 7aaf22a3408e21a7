# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/tokenizers/: small tokenizers and what they give.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 transformers==5.24.0
    python tests/golden/make_tokenizer_fixtures.py tests/golden/tokenizers

Each tokenizer is trained on the text of this file. cases.json holds texts and
the tokens that Hugging Face's tokenizers and Google's sentencepiece give them,
without the special tokens of a post-processor. No network is used.
"""

import json
import os
import random
import sys
import tempfile

import sentencepiece
import tokenizers
import transformers
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        normalizers, pre_tokenizers, processors, trainers)

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

PASSAGES = [
    "The router sends each token to two of eight experts, and it's the gate "
    "that weighs what they give back. We've seen that they'll specialise; "
    "I'd say that's what balance losses are for, isn't it?",
    "Der Leitungsweg wählt für jedes Wort zwei Fachleute aus, größer als zuvor, "
    "und die Straße führt über Brücken. Où êtes-vous, cœur naïf? El niño comió "
    "piñas en el año 1998. Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Маршрутизатор отправляет каждый токен двум экспертам; обучение идёт "
    "медленно, но верно. Съешь ещё этих мягких французских булок.",
    "Ο δρομολογητής στέλνει κάθε λέξη σε δύο ειδικούς. Ξεσκεπάζω την ψυχοφθόρα "
    "βδελυγμία.",
    "路由器把每个词元发送给两个专家。機械学習のモデルは、とても大きいです。"
    "모든 토큰은 두 명의 전문가에게 전달됩니다。",
    "يرسل الموجه كل رمز إلى خبيرين. الْعَرَبِيَّةُ لُغَةٌ جَمِيلَةٌ ١٢٣٤",
    "राउटर हर टोकन को दो विशेषज्ञों के पास भेजता है। क्षत्रिय ज्ञान १२३",
    "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 ❤️ ☕ 😀😀 naïve café — “quotes” … €100 £20 ½ ² Ⅻ",
    "for (int i = 0; i < n; ++i) {\n    sum += a[i] * b[i];  // dot\n}\n"
    "def f(x):\n\treturn x ** 2 if x else None\n",
    "1234567 + 89.10 = 3.14159e-10, 0xFF, v2.0.1, 12:34:56, 1,000,000",
    "https://example.org/a?b=c&d=%20e#f <html lang=\"en\"> user@example.org",
]

EDGES = [
    "", " ", "  ", "\n", "\n\n", " \n", "\n ", "\r\n\r\n", "\t\t x", "a", "  a",
    "a  ", "a   b", "a \n b", "a\n\n\nb", "x\u00a0y", "x\u3000y", "x\u0085y",
    "x\u180ey", "\u180e\u180e a", "x\u200by", "\u2028x\u2029", "\x00\x01\x7f",
    "it's IT'S they'LL we'Re I'ſ 'S 's''s", "don't DON'T 'tis", "'", "''",
    "e\u0301 \u00e9 \u0065\u0301\u0327", "A\u030a \u212b \u00c5", "\ufb01 \u2126",
    "\u1100\u1161\u11a8 \uac01 \u1112\u1161\u11ab\u1100\u1173\u11af",
    "\u0958 \u0915\u093c \u09cb \u09c7\u09be", "q\u0307\u0323 q\u0323\u0307",
    "\u0301abc", "\u0344 \u0308\u0301", "\u1e9b\u0323", "\u0f73\u0f71\u0f72",
    "\U0001d15e \U0001d400 \U00020000", "🇩🇪🇫🇷", "ﷺ", "\ufeffbom", "\uffff",
    "123", "1234", "12345", "1 2  3   4", "٣٤٥٦", "½⅓ Ⅻ ²³", "a1b2c3",
    "...", "?!?!", "!!!\n\n", "--\n", " --  --\n x", "((a))", "a,b;c",
    "<|endoftext|>", "a<|endoftext|>b", "<|endoftext|><|endoftext|>",
    " <|endoftext|> ", "<|endoftext|", "<|im_start|>user\nHi<|im_end|>\n",
    "<tool>x</tool>", "caf\u00e9_token cafe\u0301_token", "<||endoftext|>",
    "a" * 70, "ab" * 200, " " * 300, "\n" * 300, "x" + " " * 65 + "y",
    "Ġ Ċ ĉ Ā ÿ", "▁ ▁a", "\u00ad\u00a1\u00ff", "ſ K Å",
]


def random_texts(seed, count):
    """Strings of every kind of character, put together without sense."""
    rng = random.Random(seed)
    pools = [
        lambda: rng.choice(" \n\t\r"), lambda: rng.choice("  \n\n"),
        lambda: chr(rng.randrange(32, 127)), lambda: chr(rng.randrange(0, 128)),
        lambda: chr(rng.randrange(0xA0, 0x250)),
        lambda: chr(rng.randrange(0x300, 0x340)),
        lambda: chr(rng.randrange(0x370, 0x500)),
        lambda: chr(rng.randrange(0x621, 0x670)),
        lambda: chr(rng.randrange(0x905, 0x970)),
        lambda: chr(rng.randrange(0x4E00, 0x9FA5)),
        lambda: chr(rng.randrange(0xAC00, 0xD7A3)),
        lambda: chr(rng.randrange(0x1F300, 0x1F5FF)),
        lambda: chr(rng.choice([0x200D, 0xFE0F, 0x2028, 0x3000, 0x2009])),
        lambda: rng.choice("0123456789"), lambda: rng.choice(["'s", "'LL", "'re"]),
        lambda: rng.choice(["<|endoftext|>", "<|im_end|>", "the", " token"]),
    ]
    texts = []
    for _ in range(count):
        some = rng.sample(pools, rng.randrange(1, 6))
        texts.append("".join(rng.choice(some)()
                             for _ in range(rng.randrange(1, 40))))
    return texts


def corpus():
    rng = random.Random(7)
    words = " ".join(PASSAGES).split(" ")
    lines = list(PASSAGES)
    for _ in range(300):
        lines.append(" ".join(rng.choice(words)
                              for _ in range(rng.randrange(3, 15))))
    return lines


def byte_level(pre_tokenizer, normalizer, vocabulary, added):
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, show_progress=False, special_tokens=[],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(corpus(), trainer)
    for token in added:
        tokenizer.add_tokens([token])
    return tokenizer


def split_then_bytes(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def special(text, **options):
    return AddedToken(text, special=True, normalized=False, **options)


def as_strings(folder):
    """Writes merges as strings, as files before 2024 have them."""
    path = os.path.join(folder, "tokenizer.json")
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    content["model"]["merges"] = [
        " ".join(pair) for pair in content["model"]["merges"]]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)


def ignoring_merges(folder):
    """Sets ignore_merges and leaves out some merges, so that it matters."""
    path = os.path.join(folder, "tokenizer.json")
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    model = content["model"]
    model["ignore_merges"] = True
    model["merges"] = model["merges"][::2]
    known = set(model["vocab"])
    # Every second merge: some make tokens of parts that no merge makes.
    model["merges"] = [m for m in model["merges"] if set(m) <= known]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)


def main(target):
    made = {}
    made["qwen"] = byte_level(
        split_then_bytes(QWEN), normalizers.NFC(), 1100,
        [special("<|endoftext|>"), special("<|im_start|>"),
         special("<|im_end|>"),
         AddedToken("<tool>", normalized=False),
         AddedToken("cafe\u0301_token", normalized=True)])
    made["llama3"] = byte_level(
        split_then_bytes(LLAMA3), None, 900,
        [special("<|endoftext|>"), special("<|im_end|>")])
    made["gpt2"] = byte_level(
        pre_tokenizers.ByteLevel(add_prefix_space=False), None, 900,
        [special("<|endoftext|>"), AddedToken("   ", normalized=True),
         AddedToken("  ", normalized=True)])
    made["prefix_space"] = byte_level(
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        normalizers.Sequence([normalizers.NFC()]), 600,
        [special("<|endoftext|>")])
    texts = PASSAGES + EDGES + random_texts(1, 150)
    cases = {"versions": {"tokenizers": tokenizers.__version__,
                          "sentencepiece": sentencepiece.__version__,
                          "transformers": transformers.__version__},
             "texts": texts, "tokens": {}}
    for name, tokenizer in made.items():
        folder = os.path.join(target, name)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "tokenizer.json")
        tokenizer.save(path, pretty=False)
        if name == "gpt2":
            as_strings(folder)
        if name == "llama3":
            ignoring_merges(folder)
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
            json.dump({"eos_token": "<|endoftext|>"}, file)
        loaded = Tokenizer.from_file(path)
        wrapped = transformers.PreTrainedTokenizerFast(tokenizer_file=path)
        cases["tokens"][name] = []
        for text in texts:
            ids = loaded.encode(text, add_special_tokens=False).ids
            assert ids == wrapped.encode(text, add_special_tokens=False), text
            cases["tokens"][name].append(ids)
    for kind, options in [
            ("unigram", {"model_type": "unigram", "vocab_size": 420}),
            ("llama2", {"model_type": "bpe", "vocab_size": 800,
                        "byte_fallback": True,
                        "normalization_rule_name": "identity",
                        "remove_extra_whitespaces": False,
                        "split_digits": True})]:
        path = os.path.join(target, kind + ".model")
        with tempfile.TemporaryDirectory() as folder:
            prefix = os.path.join(folder, "model")
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(
                    line for text in corpus() for line in text.split("\n")),
                model_prefix=prefix, minloglevel=2,
                character_coverage=0.99, **options)
            with open(prefix + ".model", "rb") as source:
                content = source.read()
        with open(path, "wb") as file:
            file.write(content)
        processor = sentencepiece.SentencePieceProcessor(model_proto=content)
        cases["tokens"][kind] = [processor.encode(text) for text in texts]
    cases["decoded"] = {
        kind: [sentencepiece.SentencePieceProcessor(
            model_file=os.path.join(target, kind + ".model")).decode(ids)
            for ids in cases["tokens"][kind]]
        for kind in ("unigram", "llama2")}
    with open(os.path.join(target, "cases.json"), "w", encoding="utf-8") as file:
        json.dump(cases, file, ensure_ascii=True, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1])
