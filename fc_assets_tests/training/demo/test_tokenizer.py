"""The embedded model's tokenizer: a real Qwen tokenizer in small."""

from itertools import islice

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer

from fc_assets.profiles import EMBEDDED
from fc_assets.training.demo.text import echo_texts, render, request_texts
from fc_assets.training.demo.tokenizer import FIXED_PARTS, MARKERS, SPECIAL_TOKENS, fine_split
from fc_assets_tests.training.demo.conftest import GET_WEATHER

ODD_TEXTS = (
    "",
    "It's 12°C in São Paulo — isn't it?  Yes!\n\n\tIndented\r\nlines   ",
    "naïve café Straße 東京 🙂🙂 ½ x² नमस्ते e\u0301",
    '{"a": [1, 2.50, -3e4], "b": {"c": null}}\n}}]]"""',
    "snake_case camelCase SHOUTING don't we'll I'M 1234567890 v2.0.1",
    " leading, trailing ",
)


def texts(count: int) -> list[str]:
    both = (*islice(request_texts(7, frozenset()), count), *islice(echo_texts(7, 6, True), count))
    return [*map(str, both), *ODD_TEXTS]


def test_qwens_split_gives_the_same_tokens_as_the_finer_one_the_merges_were_trained_under(tokenizer):
    fine = Qwen2Tokenizer.from_pretrained(EMBEDDED).backend_tokenizer
    fine.pre_tokenizer = fine_split()
    for text in texts(300):
        assert tokenizer.backend_tokenizer.encode(text).ids == fine.encode(text).ids, text


def test_no_learnt_token_joins_letters_with_anything_else(tokenizer):
    added = set(tokenizer.get_added_vocab())
    for token in set(tokenizer.get_vocab()) - added:
        text = tokenizer.convert_tokens_to_string([token])
        if "\ufffd" not in text:
            assert text.isalpha() or not any(character.isalpha() for character in text), token


@pytest.mark.parametrize("value", ["Paris", "celsius", "notebook", "AAPL", "Thursday"])
def test_a_value_is_spelled_alike_everywhere(tokenizer, value: str):
    (alone,) = tokenizer(value)["input_ids"]
    for text in (f"in {value}", f'"{value}"', f"({value},", f"\n{value}."):
        assert alone in tokenizer(text)["input_ids"]


def test_decoding_gives_back_every_text(tokenizer):
    for text in texts(100):
        ids = tokenizer(text)["input_ids"]
        normal = tokenizer.backend_tokenizer.normalizer.normalize_str(text)
        assert tokenizer.decode(ids) == normal


def test_added_parts_survive_leaving_out_special_tokens(tokenizer):
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder().values()
    assert {token.content for token in added if token.special} == set(SPECIAL_TOKENS)
    for part in (*MARKERS, *FIXED_PARTS):
        ids = tokenizer(part)["input_ids"]
        assert len(ids) == 1
        assert tokenizer.decode(ids, skip_special_tokens=True) == part


def test_every_class_that_people_load_it_with_reads_the_same_ids(tokenizer):
    text = render("Check the weather in Oslo", [GET_WEATHER])
    assert AutoTokenizer.from_pretrained(EMBEDDED)(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert PreTrainedTokenizerFast.from_pretrained(EMBEDDED)(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
