"""Trains the small vocabularies in tests/data/vocab: one folder each, with the tokenizer files of a Hugging Face model.

    train_vocabularies.py SAMPLE_FOLDER [NAME...]

Run once; what it wrote is committed, because the trainers promise no equal result from version to version. It needs
tokenizers 0.22, transformers 4.57, sentencepiece 0.2 and protobuf. The text is SAMPLE_FOLDER/calibration.txt and
tests/data/vocab/training.txt. The rules around a vocabulary (normalizer, pre-tokenizer, post-processor, added tokens,
settings) are those of the published tokenizer that its folder is named after, cut to a size for tests.
`pre` is the name that llama.cpp's converter gives to that tokenizer, by a hash which no home-made vocabulary can have.
"""

import argparse
import json
import shutil
from pathlib import Path

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, decoders, models, trainers
from transformers import GemmaTokenizerFast, LlamaTokenizerFast, XLMRobertaTokenizerFast

OUT = Path(__file__).resolve().parents[1] / "data" / "vocab"

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
GPT2 = {**BYTES, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}
NFC = {"type": "NFC"}
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORD_AND_REST = (r"|[^\r\n\p{L}\p{N}]?\p{L}+|", r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = CONTRACTIONS + WORD_AND_REST[0] + r"\p{N}{1,3}" + WORD_AND_REST[1]
QWEN2 = CONTRACTIONS + WORD_AND_REST[0] + r"\p{N}" + WORD_AND_REST[1]
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTIONS}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTIONS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK_V3 = [
    r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^" + "\r\n" + r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[" + "\r\n" + r"]*|\s*[" + "\r\n" + r"]+|\s+(?!\S)|\s+",
]
DEEPSEEK_LETTERS = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1F7Dᾀ-ᾴᾶ-ᾼ\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDBῠ-Ῥ"
    "ῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212A-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
)
DEEPSEEK_LLM = ["[\r\n]", rf"\s?[{DEEPSEEK_LETTERS}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", "[一-龥ࠀ-一가-퟿]+"]
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def split(*patterns: str, then: tuple = (BYTES,)) -> dict:
    """Cuts at each pattern in turn, then does the other steps."""
    cuts = [{"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False} for p in patterns]
    return {"type": "Sequence", "pretokenizers": cuts + list(then)}


def steps(*parts: dict) -> dict:
    return {"type": "Sequence", "pretokenizers": list(parts)}


def template(first: str | None = None, last: str | None = None, separator: str | None = None):
    """A post-processor that puts `first` before and `last` after a text; `separator` between two texts."""
    def make(ids: dict) -> dict:
        special = lambda text, kind: [{"SpecialToken": {"id": text, "type_id": kind}}] if text else []
        text = lambda name, kind: [{"Sequence": {"id": name, "type_id": kind}}]
        names = sorted({name for name in (first, last, separator) if name})
        middle = special(last, 0) + special(separator or (first if not last else None), 1)
        return {
            "type": "TemplateProcessing",
            "single": special(first, 0) + text("A", 0) + special(last, 0),
            "pair": special(first, 0) + text("A", 0) + middle + text("B", 1) + special(last, 1),
            "special_tokens": {n: {"id": n, "ids": [ids[n]], "tokens": [n]} for n in names},
        }
    return make


def byte_level(trim: bool = False, prefix: bool = True):
    return lambda ids: {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": True}


def both(*parts):
    return lambda ids: {"type": "Sequence", "processors": [part(ids) for part in parts]}


def special(*texts, **flags):
    return [AddedToken(t, special=True, normalized=False, **flags) for t in texts]


def plain(*texts, normalized=False, **flags):
    return [AddedToken(t, special=False, normalized=normalized, **flags) for t in texts]


# Byte-level BPE: `first` stand before the bytes in the vocabulary itself, `last` are added after it.
BYTE_LEVEL = {
    "bpe-gpt2": {
        "pre": "gpt-2", "rules": GPT2, "merges": 220, "last": special("<|endoftext|>"), "post": byte_level(),
        "files": ["vocab.json", "merges.txt"],
        "settings": {"add_prefix_space": False, "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
                     "unk_token": "<|endoftext|>", "model_max_length": 1024, "tokenizer_class": "GPT2Tokenizer"},
    },
    "bpe-llama3": {
        "pre": "llama-bpe", "rules": split(LLAMA3), "merges": 240, "ignore_merges": True,
        "last": special("<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
                        "<|finetune_right_pad_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
                        "<|eot_id|>", "<|python_tag|>"),
        "post": both(byte_level(), template("<|begin_of_text|>")),
        "settings": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "model_max_length": 131072,
                     "clean_up_tokenization_spaces": True, "tokenizer_class": "PreTrainedTokenizerFast"},
    },
    "bpe-qwen2": {
        "pre": "qwen2", "rules": split(QWEN2), "normalizer": NFC, "merges": 250, "merges_as_text": True,
        "last": special("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_middle|>")
                + plain("<tool_call>", "</tool_call>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>",
                        "<|file_sep|>", "<think>", "</think>"),
        "post": byte_level(prefix=False), "files": ["vocab.json", "merges.txt"],
        "settings": {"add_bos_token": False, "add_prefix_space": False, "bos_token": None, "eos_token": "<|im_end|>",
                     "pad_token": "<|endoftext|>", "unk_token": None, "errors": "replace", "model_max_length": 131072,
                     "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "split_special_tokens": False,
                     "chat_template": CHATML, "tokenizer_class": "Qwen2Tokenizer"},
    },
    "bpe-neox": {
        "pre": "gpt-2", "rules": GPT2, "normalizer": NFC, "merges": 230, "first": special("<|endoftext|>", "<|padding|>"),
        "last": plain(*(" " * n for n in range(8, 1, -1)), normalized=True),
        "post": byte_level(),
        "settings": {"add_prefix_space": False, "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
                     "unk_token": "<|endoftext|>", "tokenizer_class": "GPTNeoXTokenizer"},
    },
    "bpe-starcoder": {
        "pre": "starcoder", "rules": steps(DIGITS, GPT2), "merges": 230,
        "first": special("<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<repo_name>",
                         "<file_sep>", "<issue_start>"),
        "settings": {"add_prefix_space": False, "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
                     "unk_token": "<|endoftext|>", "vocab_size": 494, "tokenizer_class": "GPT2Tokenizer"},
    },
    "bpe-command-r": {
        "pre": "command-r", "rules": steps(DIGITS, GPT2), "normalizer": NFC, "merges": 240,
        "first": special("<PAD>", "<UNK>", "<CLS>", "<SEP>", "<MASK_TOKEN>", "<BOS_TOKEN>", "<EOS_TOKEN>"),
        "last": special("<|START_OF_TURN_TOKEN|>")
                + plain("<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<EOP_TOKEN>"),
        "post": template("<BOS_TOKEN>"),
        "settings": {"add_bos_token": True, "add_eos_token": False, "add_prefix_space": False,
                     "bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>", "pad_token": "<PAD>",
                     "unk_token": None, "tokenizer_class": "CohereTokenizer"},
        "templates": [("default", "{{ bos_token }}{% for message in messages %}<|START_OF_TURN_TOKEN|>"
                                  "{{ message['content'] }}<|END_OF_TURN_TOKEN|>{% endfor %}"),
                      ("tool_use", "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% endfor %}"),
                      ("rag", "{{ bos_token }}documents{% for message in messages %}{{ message['content'] }}{% endfor %}")],
    },
    "bpe-falcon": {
        "pre": "falcon",
        "rules": steps({"type": "Punctuation", "behavior": "Contiguous"}, GPT2,
                       {"type": "Digits", "individual_digits": False},
                       {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated", "invert": False}),
        "merges": 230,
        "first": special(">>TITLE<<", ">>ABSTRACT<<", ">>INTRODUCTION<<", ">>SUMMARY<<", ">>COMMENT<<", ">>ANSWER<<",
                         ">>QUESTION<<", ">>DOMAIN<<", ">>PREFIX<<", ">>SUFFIX<<", ">>MIDDLE<<", "<|endoftext|>"),
        "settings": {"add_prefix_space": False, "eos_token": "<|endoftext|>", "model_max_length": 2048,
                     "model_input_names": ["input_ids", "attention_mask"], "tokenizer_class": "PreTrainedTokenizerFast"},
        "map": {"eos_token": "<|endoftext|>"},
    },
    "bpe-gpt4o": {
        "pre": "gpt-4o", "rules": split(O200K), "merges": 240,
        "last": special("<|startoftext|>", "<|endoftext|>", "<|reserved_200000|>", "<|return|>", "<|constrain|>",
                        "<|channel|>", "<|start|>", "<|end|>", "<|message|>", "<|call|>", "<|endofprompt|>"),
        "post": byte_level(trim=True), "ignore_merges": True,
        "settings": {"bos_token": "<|startoftext|>", "eos_token": "<|return|>", "pad_token": "<|endoftext|>",
                     "clean_up_tokenization_spaces": False, "tokenizer_class": "PreTrainedTokenizerFast"},
    },
    "bpe-tekken": {
        "pre": "tekken", "rules": split(TEKKEN), "merges": 240, "ignore_merges": True,
        "first": special("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
                         "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]",
                         "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "<SPECIAL_19>"),
        "post": template("<s>"),
        "settings": {"add_bos_token": True, "add_eos_token": False, "add_prefix_space": False, "bos_token": "<s>",
                     "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
                     "tokenizer_class": "PreTrainedTokenizerFast"},
    },
    "bpe-deepseek-v3": {
        "pre": "deepseek-v3", "rules": split(*DEEPSEEK_V3), "normalizer": {"type": "Sequence", "normalizers": []},
        "merges": 240, "first": special("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"),
        "last": special("<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>")
                + plain("<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>", "<｜place▁holder▁no▁0｜>", "<|EOT|>"),
        "post": both(byte_level(trim=True, prefix=False), template("<｜begin▁of▁sentence｜>")),
        "settings": {"add_bos_token": True, "add_eos_token": False,
                     "bos_token": {"__type": "AddedToken", "content": "<｜begin▁of▁sentence｜>", "lstrip": False,
                                   "normalized": True, "rstrip": False, "single_word": False},
                     "eos_token": {"__type": "AddedToken", "content": "<｜end▁of▁sentence｜>", "lstrip": False,
                                   "normalized": True, "rstrip": False, "single_word": False},
                     "pad_token": {"__type": "AddedToken", "content": "<｜end▁of▁sentence｜>", "lstrip": False,
                                   "normalized": True, "rstrip": False, "single_word": False},
                     "unk_token": None, "legacy": True, "sp_model_kwargs": {}, "clean_up_tokenization_spaces": False,
                     "model_max_length": 131072, "tokenizer_class": "LlamaTokenizerFast"},
    },
    "bpe-deepseek-llm": {
        "pre": "deepseek-llm", "rules": split(*DEEPSEEK_LLM, then=(DIGITS, BYTES)),
        "normalizer": {"type": "Sequence", "normalizers": []}, "merges": 230,
        "last": special("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>")
                + plain("ø", "ö", "û", normalized=True) + plain("<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"),
        "post": template("<｜begin▁of▁sentence｜>"),
        "settings": {"add_bos_token": True, "add_eos_token": False, "bos_token": "<｜begin▁of▁sentence｜>",
                     "eos_token": "<｜end▁of▁sentence｜>", "pad_token": "<｜end▁of▁sentence｜>", "unk_token": None,
                     "tokenizer_class": "LlamaTokenizerFast"},
    },
    "bpe-bloom": {
        "pre": "bloom", "rules": split(BLOOM), "merges": 230, "first": special("<unk>", "<s>", "</s>", "<pad>"),
        "post": byte_level(prefix=False),
        "settings": {"add_prefix_space": False, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
                     "pad_token": "<pad>", "tokenizer_class": "BloomTokenizerFast"},
    },
    "bpe-dbrx": {
        "pre": "dbrx", "rules": split(LLAMA3), "merges": 235,
        "last": special("<|pad|>", "<|im_start|>", "<|im_end|>", "<|endofprompt|>", "<|endoftext|>")
                + plain("<|extra_id_0|>", "|||EMAIL_ADDRESS|||", "|||IP_ADDRESS|||"),
        "post": byte_level(trim=True),
        "settings": {"add_prefix_space": False, "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
                     "pad_token": "<|pad|>", "unk_token": "<|endoftext|>", "tokenizer_class": "GPT2Tokenizer"},
    },
    "bpe-glm4": {
        "pre": "glm4", "rules": split(LLAMA3), "merges": 240,
        "last": special("<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
                        "<|assistant|>", "<|observation|>") + plain("<think>", "</think>", "/nothink"),
        "settings": {"clean_up_tokenization_spaces": False, "do_lower_case": False, "eos_token": "<|endoftext|>",
                     "pad_token": "<|endoftext|>", "padding_side": "left", "remove_space": False,
                     "additional_special_tokens": ["<|endoftext|>", "[gMASK]", "<sop>", "<|user|>"],
                     "chat_template": "[gMASK]<sop>{% for message in messages %}<|{{ message['role'] }}|>\n"
                                      "{{ message['content'] }}{% endfor %}",
                     "tokenizer_class": "PreTrainedTokenizerFast"},
    },
    "bpe-exaone4": {
        "pre": "exaone4", "rules": GPT2, "normalizer": NFC, "merges": 235,
        "first": special("[PAD]", "[BOS]", "[EOS]", "[UNK]"),
        "last": plain("<tool_call>", "</tool_call>", "<think>", "</think>") + special("[|endofturn|]"),
        "settings": {"bos_token": "[BOS]", "eos_token": "[|endofturn|]", "pad_token": "[PAD]", "unk_token": "[UNK]",
                     "tokenizer_class": "PreTrainedTokenizerFast"},
    },
    "bpe-phi2": {
        "pre": "phi-2", "rules": GPT2, "merges": 230,
        "last": special("<|endoftext|>") + plain(*(" " * n for n in range(5, 1, -1)), "\t\t\t", "\t\t", normalized=True),
        "post": byte_level(), "files": ["vocab.json", "merges.txt"],
        "settings": {"add_prefix_space": False, "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
                     "unk_token": "<|endoftext|>", "model_max_length": 2048, "return_token_type_ids": False,
                     "tokenizer_class": "CodeGenTokenizer"},
    },
    "bpe-stablelm2": {
        "pre": "stablelm2", "rules": split(QWEN2), "merges": 240,
        "last": special("<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|endofprompt|>",
                        "<|im_start|>", "<|im_end|>"),
        "post": byte_level(prefix=False),
        "settings": {"add_prefix_space": False, "bos_token": "<|endoftext|>", "eos_token": "<|im_end|>",
                     "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "chat_template": CHATML,
                     "tokenizer_class": "GPT2Tokenizer"},
    },
    "bpe-roberta": {
        "pre": "roberta-bpe", "rules": GPT2, "merges": 220, "first": special("<s>", "<pad>", "</s>", "<unk>"),
        "last": special("<mask>", lstrip=True), "files": ["vocab.json", "merges.txt"],
        "post": lambda ids: {"type": "RobertaProcessing", "sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]],
                             "trim_offsets": True, "add_prefix_space": False},
        "settings": {"add_prefix_space": False, "bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>",
                     "mask_token": "<mask>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>",
                     "trim_offsets": True, "model_max_length": 512, "tokenizer_class": "RobertaTokenizer"},
    },
    "bpe-modern-bert": {
        "pre": "modern-bert", "rules": GPT2, "normalizer": NFC, "merges": 225,
        "first": special("<|padding|>"),
        "last": plain("|||IP_ADDRESS|||", *(" " * n for n in range(5, 1, -1)), normalized=True)
                + special("<|endoftext|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]") + special("[MASK]", lstrip=True)
                + plain("[unused0]", "[unused1]", normalized=True),
        "post": template("[CLS]", "[SEP]"),
        "settings": {"clean_up_tokenization_spaces": True, "cls_token": "[CLS]", "mask_token": "[MASK]",
                     "pad_token": "[PAD]", "sep_token": "[SEP]", "unk_token": "[UNK]", "model_max_length": 8192,
                     "tokenizer_class": "PreTrainedTokenizerFast"},
    },
}

# SentencePiece: `trainer` goes to its trainer; `added` into added_tokens_decoder; `class` makes tokenizer.json.
SENTENCEPIECE = {
    "spm-llama2": {
        "trainer": {"model_type": "bpe", "vocab_size": 580, "byte_fallback": True, "split_digits": True,
                    "allow_whitespace_only_pieces": True, "remove_extra_whitespaces": False,
                    "normalization_rule_name": "identity"},
        "class": LlamaTokenizerFast, "keywords": {"legacy": True, "add_prefix_space": True}, "files": ["tokenizer.model", "tokenizer.json"],
        "post": template("<s>"),
        "settings": {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>",
                     "unk_token": "<unk>", "pad_token": None, "legacy": True, "sp_model_kwargs": {},
                     "clean_up_tokenization_spaces": False, "tokenizer_class": "LlamaTokenizer"},
    },
    "spm-mistral": {
        "trainer": {"model_type": "bpe", "vocab_size": 590, "byte_fallback": True, "split_digits": True,
                    "allow_whitespace_only_pieces": True, "remove_extra_whitespaces": False,
                    "normalization_rule_name": "identity", "control_symbols": ["[INST]", "[/INST]", "[TOOL_CALLS]"]},
        "class": LlamaTokenizerFast, "keywords": {"legacy": False, "add_prefix_space": True}, "files": ["tokenizer.model", "tokenizer.json"],
        "added": [("[INST]", True), ("[/INST]", True), ("[TOOL_CALLS]", True)], "post": template("<s>"),
        "settings": {"add_bos_token": True, "add_eos_token": False, "add_prefix_space": True, "bos_token": "<s>",
                     "eos_token": "</s>", "unk_token": "<unk>", "pad_token": None, "legacy": False,
                     "tokenizer_class": "LlamaTokenizer"},
    },
    "spm-json-only": {
        "trainer": {"model_type": "bpe", "vocab_size": 570, "byte_fallback": True, "split_digits": True,
                    "allow_whitespace_only_pieces": True, "remove_extra_whitespaces": False,
                    "normalization_rule_name": "identity"},
        "class": LlamaTokenizerFast, "keywords": {"legacy": True, "add_prefix_space": True}, "files": ["tokenizer.json"],
        "added": [("<|im_start|>", True), ("<|im_end|>", True), ("<tool>", False)], "post": template("<s>"),
        "settings": {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "<|im_end|>",
                     "unk_token": "<unk>", "pad_token": "</s>", "legacy": True, "chat_template": CHATML,
                     "tokenizer_class": "LlamaTokenizer"},
    },
    "spm-phi3": {
        "trainer": {"model_type": "bpe", "vocab_size": 560, "byte_fallback": True, "split_digits": True,
                    "allow_whitespace_only_pieces": True, "remove_extra_whitespaces": False,
                    "normalization_rule_name": "identity"},
        "class": LlamaTokenizerFast, "keywords": {"legacy": True, "add_prefix_space": True, "add_bos_token": False},
        "files": ["tokenizer.model", "tokenizer.json", "added_tokens.json"],
        "added": [("<|endoftext|>", True), ("<|assistant|>", True, {"rstrip": True}),
                  ("<|placeholder1|>", True, {"rstrip": True}), ("<|system|>", True, {"rstrip": True}),
                  ("<|end|>", True, {"rstrip": True}), ("<|user|>", True, {"rstrip": True}), ("<|plain|>", False)],
        "settings": {"add_bos_token": False, "add_eos_token": False, "bos_token": "<s>", "eos_token": "<|endoftext|>",
                     "unk_token": "<unk>", "pad_token": "<|endoftext|>", "legacy": False, "padding_side": "left",
                     "chat_template": "{% for message in messages %}{{'<|' + message['role'] + '|>\n' + "
                                      "message['content'] + '<|end|>\n'}}{% endfor %}",
                     "tokenizer_class": "LlamaTokenizer"},
    },
    "spm-gemma": {
        "trainer": {"model_type": "bpe", "vocab_size": 600, "byte_fallback": True, "split_digits": True,
                    "allow_whitespace_only_pieces": True, "remove_extra_whitespaces": False, "add_dummy_prefix": False,
                    "normalization_rule_name": "identity", "pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3,
                    "bos_piece": "<bos>", "eos_piece": "<eos>",
                    "user_defined_symbols": ["<mask>", "[multimodal]", "<unused0>", "<unused1>", "<start_of_turn>",
                                             "<end_of_turn>", "\n", "\n\n", "▁▁", "▁▁▁▁", "<table>", "</table>"]},
        "class": GemmaTokenizerFast, "keywords": {}, "files": ["tokenizer.model", "tokenizer.json"],
        "added": [("<mask>", False), ("[multimodal]", False), ("<unused0>", False), ("<unused1>", False),
                  ("<start_of_turn>", True), ("<end_of_turn>", True), ("\n", False), ("\n\n", False), ("▁▁", False),
                  ("▁▁▁▁", False), ("<table>", False), ("</table>", False)],
        "post": template("<bos>"),
        "settings": {"add_bos_token": True, "add_eos_token": False, "bos_token": "<bos>", "eos_token": "<eos>",
                     "unk_token": "<unk>", "pad_token": "<pad>", "clean_up_tokenization_spaces": False,
                     "additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"],
                     "chat_template": "{{ bos_token }}{% for message in messages %}<start_of_turn>{{ message['role'] }}"
                                      "\n{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}",
                     "tokenizer_class": "GemmaTokenizer"},
    },
    "spm-internlm2": {
        "trainer": {"model_type": "bpe", "vocab_size": 584, "byte_fallback": True, "split_digits": True,
                    "allow_whitespace_only_pieces": True, "remove_extra_whitespaces": False, "add_dummy_prefix": False,
                    "normalization_rule_name": "identity",
                    "control_symbols": ["[UNUSED_TOKEN_0]", "[UNUSED_TOKEN_1]", "[UNUSED_TOKEN_2]"]},
        "class": None, "files": ["tokenizer.model"],
        "added": [("[UNUSED_TOKEN_0]", True, {"as": "<|im_start|>"}), ("[UNUSED_TOKEN_1]", True, {"as": "<|im_end|>"})],
        "settings": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>",
                     "chat_template": CHATML, "tokenizer_class": "InternLM2Tokenizer"},
    },
    "unigram-llama": {
        "trainer": {"model_type": "unigram", "vocab_size": 600, "byte_fallback": True,
                    "normalization_rule_tsv": None, "user_defined_symbols": ["<sep>", "<cls>"]},
        "class": None, "files": ["tokenizer.model"],
        "settings": {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>",
                     "unk_token": "<unk>", "tokenizer_class": "LlamaTokenizer"},
    },
    "unigram-xlmr": {
        "trainer": {"model_type": "unigram", "vocab_size": 450, "normalization_rule_tsv": None},
        "class": XLMRobertaTokenizerFast, "keywords": {}, "plain_normalizer": True,
        "files": ["tokenizer.json", "sentencepiece.bpe.model"],
        "settings": {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>",
                     "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>", "model_max_length": 512,
                     "clean_up_tokenization_spaces": True, "tokenizer_class": "XLMRobertaTokenizer"},
    },
}

# A few of the rules of nmt_nfkc: source and target code points. The whole table would be 240 KB in each file.
NORMALIZATION = [
    ("\t", " "), ("\n", " "), ("\r", " "), ("\u00a0", " "), ("\u3000", " "), ("\u200b", ""), ("ﬁ", "fi"), ("ﬂ", "fl"),
    ("ſ", "s"), ("½", "1⁄2"), ("①", "1"), ("…", "..."), ("™", "TM"),
    ("\u2126", "\u03a9"), ("e\u0301", "\u00e9"), ("u\u0308", "\u00fc"), ("o\u0308", "\u00f6"),
] + [(chr(code), chr(code - 0xFEE0)) for code in range(0xFF01, 0xFF5F)]

WORDPIECE = {
    "wordpiece-uncased": {"lowercase": True, "size": 480, "unused": 4,
                          "first": ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
                                    "[unused2]", "[unused3]"]},
    "wordpiece-cased": {"lowercase": False, "size": 520, "first": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]},
}


def save(path: Path, value, compact: bool = False) -> None:
    form = {"separators": (",", ":")} if compact else {"indent": 2}
    path.write_text(json.dumps(value, ensure_ascii=False, **form) + "\n", encoding="utf-8")


def lines(text: Path) -> list[str]:
    """The hand-made text weighs as much as the English one."""
    english = text.read_text(encoding="utf-8")[:60_000].splitlines(keepends=True)
    other = (OUT / "training.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    return english + other * 6


def added_entry(token: AddedToken) -> dict:
    return {"content": token.content, "lstrip": token.lstrip, "normalized": token.normalized,
            "rstrip": token.rstrip, "single_word": token.single_word, "special": token.special}


def byte_level_bpe(name: str, text: list[str]) -> None:
    spec, folder = BYTE_LEVEL[name], OUT / name
    skeleton = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
                "normalizer": spec.get("normalizer"), "pre_tokenizer": spec["rules"], "post_processor": None,
                "decoder": GPT2, "model": {"type": "BPE", "vocab": {}, "merges": []}}
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(skeleton))
    first = spec.get("first", [])
    trainer = trainers.BpeTrainer(
        vocab_size=256 + len(first) + spec["merges"], special_tokens=first,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(text, trainer)
    for token in spec.get("last", []):
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    out = json.loads(tokenizer.to_str())
    ids = tokenizer.get_vocab(with_added_tokens=True)
    out["post_processor"] = spec["post"](ids) if "post" in spec else None
    out["model"]["ignore_merges"] = spec.get("ignore_merges", False)
    merges = [" ".join(m) for m in out["model"]["merges"]]
    if spec.get("merges_as_text"):
        out["model"]["merges"] = merges
    save(folder / "tokenizer.json", out, compact=True)
    if "vocab.json" in spec.get("files", []):
        save(folder / "vocab.json", out["model"]["vocab"], compact=True)
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    settings = dict(spec["settings"])
    if "templates" in spec:
        settings["chat_template"] = [{"name": n, "template": t} for n, t in spec["templates"]]
    decoder = {str(ids[t.content]): added_entry(t) for t in first + spec.get("last", [])}
    settings["added_tokens_decoder"] = dict(sorted(decoder.items(), key=lambda item: int(item[0])))
    save(folder / "tokenizer_config.json", dict(sorted(settings.items())))
    if "map" in spec:
        save(folder / "special_tokens_map.json", spec["map"])


def sentencepiece_model(name: str, text: list[str]) -> None:
    spec, folder = SENTENCEPIECE[name], OUT / name
    keywords = dict(spec["trainer"])
    rules = folder / "rules.tsv"
    if "normalization_rule_tsv" in keywords:
        hexes = lambda chars: " ".join(f"{ord(c):X}" for c in chars)
        rules.write_text("".join(f"{hexes(a)}\t{hexes(b)}\n" for a, b in NORMALIZATION), encoding="utf-8")
        keywords["normalization_rule_tsv"] = str(rules)
    model = folder / "tokenizer.model"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line.rstrip("\n") for line in text if line.strip()]), model_prefix=str(folder / "m"),
        character_coverage=0.98, num_threads=1, minloglevel=2, self_test_sample_size=0, **keywords)
    (folder / "m.vocab").unlink()
    rules.unlink(missing_ok=True)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((folder / "m.model").read_bytes())
    (folder / "m.model").unlink()
    proto.trainer_spec.ClearField("model_prefix")  # a path of the machine that trained it, as the next one
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    model.write_bytes(proto.SerializeToString())

    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    decoder = {}
    base = [processor.IdToPiece(i) for i in (range(4) if name == "spm-gemma" else range(3))]
    for text_, is_special, *more in [(t, True) for t in base] + spec.get("added", []):
        flags = more[0] if more else {}
        token = processor.PieceToId(text_)
        if token == processor.unk_id() and text_ != processor.IdToPiece(token):
            token = processor.vocab_size() + sum(1 for t in decoder if t >= processor.vocab_size())
        decoder[token] = {"content": flags.get("as", text_), "lstrip": False, "normalized": False,
                          "rstrip": flags.get("rstrip", False), "single_word": False, "special": is_special}
    settings = dict(spec["settings"])
    if name != "unigram-xlmr":
        settings["added_tokens_decoder"] = {str(i): entry for i, entry in sorted(decoder.items())}
    save(folder / "tokenizer_config.json", dict(sorted(settings.items())))
    if "added_tokens.json" in spec["files"]:
        beyond = {e["content"]: i for i, e in decoder.items() if i >= processor.vocab_size()}
        save(folder / "added_tokens.json", beyond)
    if spec["class"]:
        write_tokenizer_json(folder, spec, model, decoder, processor)
    if "sentencepiece.bpe.model" in spec["files"]:
        model.rename(folder / "sentencepiece.bpe.model")
    elif "tokenizer.model" not in spec["files"]:
        model.unlink()


def write_tokenizer_json(folder: Path, spec: dict, model: Path, decoder: dict, processor) -> None:
    names = {k: v for k, v in spec["settings"].items() if k.endswith("_token") and isinstance(v, str) and k[:4] != "add_"}
    fast = spec["class"](vocab_file=str(model), **names, **spec["keywords"])
    out = json.loads(fast.backend_tokenizer.to_str())
    if "added" in spec:
        # Of what the class adds by itself only the named tokens stay; the published files list these.
        out["added_tokens"] = [{"id": i, **entry} for i, entry in sorted(decoder.items())]
    if spec.get("plain_normalizer"):  # as published; newer transformers add the folding of spaces as a second step
        out["normalizer"] = out["normalizer"]["normalizers"][0]
    if "post" in spec:
        ids = {processor.IdToPiece(i): i for i in range(processor.vocab_size())}
        out["post_processor"] = spec["post"](ids)
    save(folder / "tokenizer.json", out, compact=True)


def wordpiece(name: str, text: list[str]) -> None:
    spec, folder = WORDPIECE[name], OUT / name
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=spec["lowercase"])
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.train_from_iterator(text, trainers.WordPieceTrainer(
        vocab_size=spec["size"], special_tokens=spec["first"], limit_alphabet=150, show_progress=False))
    out = json.loads(tokenizer.to_str())
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    out["added_tokens"] = [t for t in out["added_tokens"] if t["content"] in names]
    ids = tokenizer.get_vocab()
    out["post_processor"] = template("[CLS]", "[SEP]")(ids)
    save(folder / "tokenizer.json", out, compact=True)
    words = [word for word, _ in sorted(ids.items(), key=lambda item: item[1])]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    settings = {"added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"}
                                         for t in out["added_tokens"]},
                "clean_up_tokenization_spaces": True, "cls_token": "[CLS]", "do_lower_case": spec["lowercase"],
                "mask_token": "[MASK]", "model_max_length": 512, "pad_token": "[PAD]", "sep_token": "[SEP]",
                "strip_accents": None, "tokenize_chinese_chars": True, "tokenizer_class": "BertTokenizer",
                "unk_token": "[UNK]"}
    save(folder / "tokenizer_config.json", settings)
    save(folder / "special_tokens_map.json", {n.strip("[]").lower() + "_token": n for n in names})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sample", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    text = lines(args.sample / "calibration.txt")
    for table, train in ((BYTE_LEVEL, byte_level_bpe), (SENTENCEPIECE, sentencepiece_model), (WORDPIECE, wordpiece)):
        for name in table:
            if args.names and name not in args.names:
                continue
            shutil.rmtree(OUT / name, ignore_errors=True)
            (OUT / name).mkdir(parents=True)
            train(name, text)
            print(name, {p.name: p.stat().st_size for p in sorted((OUT / name).iterdir())}, flush=True)


if __name__ == "__main__":
    main()
