"""The embedded model's tokenizer: Qwen's own scheme (NFC, Qwen's split, byte-level BPE) with a small vocabulary.

What belongs here: the vocabulary, and how it is kept small. The model that reads it is `base`.

Qwen's split glues a space or a quote to the word behind it, so that "Paris" has one token in a query and another in
JSON, and a model of a few million parameters cannot copy it. Therefore the merges are *trained* under a finer split,
Qwen's cut again between letters, digits and the rest. No merge then joins a letter with anything else, and so the
*shipped* split is Qwen's alone: it gives the same tokens, and whatever knows Qwen's tokenizers reads this one too.
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, TURN_START, TURN_END)
# Qwen3 keeps these in the text it hands back: they are vocabulary, not control.
MARKERS = (
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<tools>", "</tools>", "<tool_response>", "</tool_response>"
)  # fmt: skip
# The parts of Qwen3's tool prompt that never change, one token each: a third of the length, so a third of the time.
FIXED_PARTS = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function "
    "signatures within <tools></tools> XML tags:\n<tools>",
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',
    '{"type": "function", "function": {"name": "',
    '", "description": "',
    '", "parameters": {"type": "object", "properties": {"',
    '": {"type": "string", "description": "',
    '": {"type": "integer", "description": "',
    '": {"type": "number", "description": "',
    '": {"type": "boolean", "description": "',
    '": {"type": "array", "items": {"type": "string"}, "description": "',
    '": {"type": "array", "items": {"type": "integer"}, "description": "',
    '", "default": ',
    '"}, "',
    '}}, "required": ["',
    '"}}, "required": ["',
    '{"name": "',
    '", "arguments": {"',
)

_LETTERS_DIGITS_REST = r"\p{L}+|\p{N}|[^\p{L}\p{N}]+"
_VOCABULARY = 2048
# Qwen's own limit would promise what the embedded model's positions cannot hold.
MODEL_MAX_LENGTH = 2048


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn the merges from `texts` and return the tokenizer as shipped, with at most `_VOCABULARY` + added tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = fine_split()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_without_fixed_parts(texts), trainer)
    tokenizer.pre_tokenizer = _byte_level(pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in (*MARKERS, *FIXED_PARTS)])
    return tokenizer


def fine_split() -> pre_tokenizers.PreTokenizer:
    """Qwen's split cut again between letters, single digits and the rest: what the merges are trained under."""
    return _byte_level(
        pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
        pre_tokenizers.Split(Regex(_LETTERS_DIGITS_REST), behavior="isolated"),
    )


def save_tokenizer(tokenizer: Tokenizer, chat_template: str, out: Path) -> Qwen2Tokenizer:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja to `out`; return it as read back."""
    wrapped = Qwen2Tokenizer(
        tokenizer_object=tokenizer,
        unk_token=None,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        chat_template=chat_template,
        model_max_length=MODEL_MAX_LENGTH,
        clean_up_tokenization_spaces=False,
    )
    wrapped.save_pretrained(out)
    return Qwen2Tokenizer.from_pretrained(out)


def _byte_level(*splits: pre_tokenizers.PreTokenizer) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _without_fixed_parts(texts: Iterable[str]) -> Iterable[str]:
    """The texts as the merges will meet them: added tokens are cut out before any merge is looked at."""
    for text in texts:
        for part in sorted((*SPECIAL_TOKENS, *MARKERS, *FIXED_PARTS), key=len, reverse=True):
            text = text.replace(part, "\x00")
        yield from filter(None, text.split("\x00"))
