"""The embedded base model: a real Qwen tokenizer in small, a checkpoint everybody can load, and clean pre-training."""

import json
from itertools import islice
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer

from fc_assets.calls.parse import parse_strict
from fc_assets.data.sources.generator import generate_rows
from fc_assets.profiles import EMBEDDED
from fc_assets.training.base_model_job import inspect_checkpoint
from fc_assets.training.demo.text import (
    DEMO_SEED,
    Text,
    chat_template,
    demo_queries,
    echo_texts,
    render,
    request_texts,
)
from fc_assets.training.demo.tokenizer import FIXED_PARTS, MARKERS, SPECIAL_TOKENS, fine_split

TOOL = {
    "name": "get_weather",
    "description": "Current weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "City."}}},
}
ODD_TEXTS = (
    "",
    "It's 12°C in São Paulo — isn't it?  Yes!\n\n\tIndented\r\nlines   ",
    "naïve café Straße 東京 🙂🙂 ½ x² नमस्ते e\u0301",
    '{"a": [1, 2.50, -3e4], "b": {"c": null}}\n}}]]"""',
    "snake_case camelCase SHOUTING don't we'll I'M 1234567890 v2.0.1",
    " leading, trailing ",
)


@pytest.fixture(scope="module")
def tokenizer() -> Qwen2Tokenizer:
    return Qwen2Tokenizer.from_pretrained(EMBEDDED)


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
    text = render("Check the weather in Oslo", [TOOL])
    assert AutoTokenizer.from_pretrained(EMBEDDED)(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert PreTrainedTokenizerFast.from_pretrained(EMBEDDED)(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")


def test_template_is_qwen3s_and_renders_what_the_model_was_taught_on(tokenizer):
    assert (EMBEDDED / "chat_template.jinja").read_text(encoding="utf-8") == chat_template()
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Check the weather in Oslo"}],
        tools=[{"type": "function", "function": TOOL}],
        add_generation_prompt=True,
        tokenize=False,
    )
    assert rendered == render("Check the weather in Oslo", [TOOL])


def test_checkpoint_is_small_and_quantises_for_real(tokenizer):
    found = inspect_checkpoint(EMBEDDED)
    assert 1e6 < found["parameters"] < 4e6
    assert sum(file.stat().st_size for file in EMBEDDED.iterdir()) <= 12_000_000
    assert found["context"] == tokenizer.model_max_length == 2048
    assert found["vocabulary"] == len(tokenizer)
    config = json.loads((EMBEDDED / "config.json").read_text())
    assert config["hidden_size"] % 256 == config["intermediate_size"] % 256 == 0
    assert config["num_attention_heads"] * config["head_dim"] % 256 == 0
    generation = json.loads((EMBEDDED / "generation_config.json").read_text())
    assert tokenizer.convert_ids_to_tokens(generation["eos_token_id"]) == ["<|im_end|>", "<|endoftext|>"]


def test_pretraining_holds_no_query_of_the_demo():
    forbidden = demo_queries()
    demo = {row["query"] for row in generate_rows(4_000, DEMO_SEED)}
    assert demo <= forbidden
    seen = {query for text in islice(request_texts(0, forbidden), 2_000) for query in _queries(text)}
    assert len(seen) > 1_900
    assert not seen & forbidden
    unfiltered = {query for text in islice(request_texts(0, frozenset()), 2_000) for query in _queries(text)}
    assert unfiltered & forbidden, "the exclusion has nothing to do, so this test proves nothing"


def test_careless_answers_hold_right_values_in_wrong_calls():
    parsed = 0
    conversations = list(islice(request_texts(3, frozenset()), 1_000))
    for text in conversations:
        (query,) = _queries(text)
        answers = [taught.removesuffix("<|im_end|>\n") for _, taught in text.turns if "<tool_call>" in taught]
        calls = parse_strict(answers[0]).calls
        parsed += bool(calls)
        for call in calls:
            for value in call.arguments.values():
                assert value == "True" or value in query
    assert 0.25 < parsed / len(conversations) < 0.6


def test_pretraining_text_is_the_same_for_the_same_seed():
    assert list(islice(request_texts(5, frozenset()), 20)) == list(islice(request_texts(5, frozenset()), 20))
    assert list(islice(echo_texts(5, 6, True), 20)) == list(islice(echo_texts(5, 6, True), 20))


def _queries(text: Text) -> set[str]:
    """What is asked in a conversation, without the words that ask about it."""
    asked = (given.split("<|im_start|>user\n")[-1].split("<|im_end|>")[0] for given, _ in text.turns)
    return {query.removeprefix("Which function fits: ").removeprefix("Read out the values: ") for query in asked}


def test_written_folder_holds_what_a_checkpoint_needs():
    names = {file.name for file in Path(EMBEDDED).iterdir()}
    assert names == {
        "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip
