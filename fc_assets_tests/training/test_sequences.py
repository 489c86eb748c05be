"""What the trainer sees is what the server builds, and only the answer is learnt."""

import json
from pathlib import Path

import pytest

from fc_assets.calls.conversations import read_turns
from fc_assets.calls.prompts import THINK_OFF, render_prompt
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import GrpoSettings, SftSettings
from fc_assets.training.grpo.prompt_selection import askable_turns, prompt_lengths
from fc_assets.training.sequences import allow_overlong, encode, encode_split
from fc_assets.training.sft.sft_job import training_data

TOOLS = [
    {
        "name": "get_weather",
        "description": "Weather now.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]
CALL = {"name": "get_weather", "arguments": {"city": "Paris"}}


@pytest.fixture
def split(tmp_path: Path) -> Path:
    human = {"from": "human", "value": "Weather in Paris?"}
    rows = [
        {"id": "one", "conversations": [human, {"from": "function_call", "value": json.dumps(CALL)}]},
        {"id": "two", "conversations": [human, {"from": "function_call", "value": json.dumps([CALL, CALL])}]},
        {"id": "none", "conversations": [human, {"from": "gpt", "value": "No tool can do that."}]},
        {
            "id": "multi",
            "conversations": [
                human,
                {"from": "function_call", "value": json.dumps(CALL)},
                {"from": "observation", "value": '{"sky": "clear"}'},
                {"from": "gpt", "value": "It is clear."},
                {"from": "human", "value": "And in Rome?"},
                {"from": "function_call", "value": json.dumps({"name": "get_weather", "arguments": {"city": "Rome"}})},
            ],
        },
    ]
    file = tmp_path / "split.json"
    file.write_text(json.dumps([{**row, "tools": json.dumps(TOOLS), "system": ""} for row in rows]))
    return file


def test_only_the_answer_is_learnt(tokenizer, split: Path) -> None:
    for turn in read_turns(split):
        example = encode(tokenizer, turn)
        assert tokenizer.decode(example.learnt_ids) == f"{THINK_OFF}{turn.answer}<|im_end|>"
        seen = [i for i, m in zip(example.input_ids, example.completion_mask, strict=True) if not m]
        assert tokenizer.decode(seen).endswith("<|im_start|>assistant\n")


def test_the_served_prompt_is_a_prefix_of_the_training_sequence(tokenizer, split: Path) -> None:
    for turn in read_turns(split):
        served = tokenizer(
            render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True), add_special_tokens=False
        ).input_ids
        assert encode(tokenizer, turn).input_ids[: len(served)] == served


def test_a_training_sequence_is_the_whole_conversation_by_the_template(tokenizer, split: Path) -> None:
    turn = read_turns(split)[0]
    answer = {"role": "assistant", "tool_calls": [{"type": "function", "function": CALL}], "content": ""}
    whole = tokenizer.apply_chat_template(
        [*turn.messages, answer], tools=[{"type": "function", "function": TOOLS[0]}], tokenize=False
    )
    assert tokenizer.decode(encode(tokenizer, turn).input_ids) == whole.removesuffix("\n")


def test_each_answer_of_a_conversation_is_learnt_once_and_as_the_last(tokenizer, split: Path) -> None:
    turns = [turn for turn in read_turns(split, closing=True) if turn.id.startswith("multi")]
    assert [turn.answer.splitlines()[0] for turn in turns] == ["<tool_call>", "<tool_call>", "It is clear."]
    for turn in turns:
        example = encode(tokenizer, turn)
        assert tokenizer.decode(example.learnt_ids) == f"{THINK_OFF}{turn.answer}<|im_end|>"
        # Qwen3's template: thinking only in the answer that is learnt, tools' results in a turn of the user.
        text = tokenizer.decode(example.input_ids)
        assert text.count("<think>") == 1
        assert text.count("<tool_response>") == text.count("<|im_start|>user\n<tool_response>\n")
        assert text.count("<tool_response>") == sum(message["role"] == "tool" for message in turn.messages)


def test_results_of_one_answer_stand_in_one_turn_of_the_user(tokenizer, tmp_path: Path) -> None:
    results = '{"sky": "clear"}\n{"sky": "grey"}'
    conversation = [
        {"from": "human", "value": "Weather in Paris, twice?"},
        {"from": "function_call", "value": json.dumps([CALL, CALL])},
        {"from": "observation", "value": results},
        {"from": "gpt", "value": "Clear, then grey."},
    ]
    file = tmp_path / "split.json"
    file.write_text(json.dumps([{"id": "two", "conversations": conversation, "tools": json.dumps(TOOLS)}]))
    closing = read_turns(file, closing=True)[-1]
    assert [message["content"] for message in closing.messages if message["role"] == "tool"] == results.splitlines()
    responses = [f"<tool_response>\n{line}\n</tool_response>" for line in results.splitlines()]
    assert f"<|im_start|>user\n{responses[0]}\n{responses[1]}<|im_end|>" in tokenizer.decode(
        encode(tokenizer, closing).input_ids
    )


def test_long_turns_are_left_out_whole_and_named(tokenizer, split: Path) -> None:
    turns = read_turns(split)
    lengths = {turn.id: len(encode(tokenizer, turn).input_ids) for turn in turns}
    limit = max(lengths.values()) - 1
    kept, overlong = encode_split(tokenizer, turns, limit)
    assert overlong == [name for name, length in lengths.items() if length > limit]
    assert [example.id for example in kept] == [name for name, length in lengths.items() if length <= limit]


def test_nothing_fits_is_an_error(tokenizer, split: Path) -> None:
    with pytest.raises(FcAssetsError, match=r"None of the \d+ training turns fits 5 tokens"):
        encode_split(tokenizer, read_turns(split), 5)


def test_overlong_turns_are_an_error_where_the_profile_says_so() -> None:
    allow_overlong(["a"], "drop", "sft", "max_length")
    allow_overlong([], "fail", "sft", "max_length")
    with pytest.raises(FcAssetsError) as caught:
        allow_overlong([f"row-{number}" for number in range(7)], "fail", "grpo", "max_prompt")
    assert str(caught.value) == (
        "7 training turns do not fit grpo.max_prompt: row-0, row-1, row-2, row-3, row-4 and 2 more; raise "
        "grpo.max_prompt, or set grpo.overlong to drop"
    )


def test_sft_and_grpo_ask_for_their_own_limit(tokenizer, split: Path) -> None:
    turns = read_turns(split)
    longest = max(len(encode(tokenizer, turn).input_ids) for turn in turns)
    learning = SftSettings(max_length=longest - 1, validation_rows=0)
    assert training_data(tokenizer, turns, learning).overlong
    with pytest.raises(FcAssetsError, match=r"do not fit sft\.max_length: multi"):
        training_data(tokenizer, turns, learning.model_copy(update={"overlong": "fail"}))
    asking = GrpoSettings(max_prompt=max(prompt_lengths(tokenizer, turns).values()) - 1, probe_rows=0)
    assert askable_turns(tokenizer, turns, asking).overlong
    with pytest.raises(FcAssetsError, match=r"do not fit grpo\.max_prompt: multi"):
        askable_turns(tokenizer, turns, asking.model_copy(update={"overlong": "fail"}))
