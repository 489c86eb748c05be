"""Splits: reproducible to the byte, no question on both sides, and in the form that LLaMA-Factory documents."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from fc_assets.calls.conversations import read_turns
from fc_assets.data.curation.curate import CuratedExample, CurationReport, curate
from fc_assets.data.curation.irrelevance import IrrelevanceMaker
from fc_assets.data.data_quality import gold_ceiling, malformed_rows, rows_asking, shared_rows
from fc_assets.data.rows.held_out import FLAG_HELD_OUT_TOOL
from fc_assets.data.rows.normal_query import normal_query
from fc_assets.data.rows.normalise import Example, normalise_row
from fc_assets.data.rows.sharegpt import REFUSAL
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.data.splits import TOOLS_SEEN, _Groups, build_splits, split_rows
from fc_assets.errors import FcAssetsError
from fc_assets.names import DATASET_INFO, SHAREGPT_TRAIN, SHAREGPT_VAL, split_file
from fc_assets.profiles import CurationSettings

READER = ToolReader()
EXAMPLES = [normalise_row(row, READER, source="test") for row in generate_rows(600, 5)]


def _split(examples: list[Example], folder: Path, **options: Any):
    return _split_curated([CuratedExample(each, normal_query(each.query)) for each in examples], folder, **options)


def _split_curated(curated: list[CuratedExample], folder: Path, **options: Any):
    train, validation = folder / SHAREGPT_TRAIN, folder / SHAREGPT_VAL
    train.mkdir(parents=True)
    validation.mkdir()
    settings = {"validation_share": 0.1, "seed": 42, **options}
    summaries = build_splits(curated, (train, validation), folder, **settings)
    return train / split_file(SHAREGPT_TRAIN), validation / split_file(SHAREGPT_VAL), summaries


def _rows(split: Path) -> list[dict]:
    return json.loads(split.read_text(encoding="utf-8"))


def test_every_row_is_on_one_side(tmp_path: Path):
    train, validation, (trained, held_out) = _split(EXAMPLES, tmp_path)
    ids = [row["id"] for row in _rows(train) + _rows(validation)]
    assert sorted(ids) == sorted(example.id for example in EXAMPLES)
    assert trained.rows + held_out.rows == 600
    assert held_out.rows == pytest.approx(60, abs=4)
    assert sum(held_out.calls_per_row.values()) == sum(held_out.tools_per_row.values()) == held_out.rows
    assert shared_rows(train, validation) == (0, 0)
    assert not list(malformed_rows(train, validation=False))
    assert not list(malformed_rows(validation, validation=True))
    assert gold_ceiling(train) == 1.0


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path):
    first, second = _split(EXAMPLES, tmp_path / "1"), _split(EXAMPLES, tmp_path / "2")
    other = _split(EXAMPLES, tmp_path / "3", seed=43)
    for a, b, c in zip(first[:2], second[:2], other[:2], strict=True):
        assert a.read_bytes() == b.read_bytes()
        assert a.read_bytes() != c.read_bytes()


def conversation(row_id: str, *questions: str) -> Example:
    """An example in which these are asked one after the other, each answered by a call."""
    answer = EXAMPLES[0]._replace(id=row_id, query=questions[0])
    said = [
        {"from": speaker, "value": value}
        for question in questions
        for speaker, value in (
            ("human", question),
            ("function_call", orjson.dumps(orjson.loads(answer.calls)[0]).decode()),
        )
    ]
    return answer._replace(turns=json.dumps(said))


def test_held_out_rows_are_for_validation_and_stand_among_the_others(tmp_path: Path):
    flagged = [
        each._replace(flags=(FLAG_HELD_OUT_TOOL,)) if number % 20 == 0 else each for number, each in enumerate(EXAMPLES)
    ]
    train, validation, (_, held_out) = _split(flagged, tmp_path)
    assert not any(row["flags"] for row in _rows(train))
    where = [bool(row["flags"]) for row in _rows(validation)]
    assert sum(where) == 30 and held_out.rows == pytest.approx(60, abs=4)
    assert any(where[:20]) and not all(where[:30])


def test_more_rows_are_held_out_than_validation_has_room_for(tmp_path: Path):
    flagged = [each._replace(flags=(FLAG_HELD_OUT_TOOL,)) for each in EXAMPLES[:200]]
    train, _, (_, held_out) = _split([*flagged, *EXAMPLES[200:]], tmp_path)
    assert held_out.rows >= 200 and not any(row["flags"] for row in _rows(train))


BERGEN = "What will the weather in Bergen be like on Friday?"


def test_conversations_that_share_a_later_question_are_on_one_side(tmp_path: Path):
    """60 pairs, each of which has nothing but a second question in common; short ones are common speech."""
    pairs = [
        conversation(f"{number}-{side}", f"{side} opens conversation {number}", f"{BERGEN} {number}", "Yes, do it")
        for number in range(60)
        for side in ("one", "other")
    ]
    report = CurationReport()
    settings = CurationSettings(near_duplicates="keep")
    maker = IrrelevanceMaker(0.0, 42)
    curated = list(curate(pairs, settings, report, bfcl_questions=(), irrelevance=maker))
    train, validation, (trained, held_out) = _split_curated(curated, tmp_path)
    assert trained.rows + held_out.rows == 120 and held_out.rows == pytest.approx(12, abs=2)
    assert shared_rows(train, validation) == (0, 0)
    held = {row["id"].split("-")[0] for row in _rows(validation)}
    assert not held & {row["id"].split("-")[0] for row in _rows(train)}


def test_a_later_question_on_both_sides_is_seen(tmp_path: Path):
    for name, first in ((SHAREGPT_TRAIN, "one"), (SHAREGPT_VAL, "other")):
        row = {"id": first, "conversations": json.loads(conversation(first, f"{first} opening", BERGEN, "Yes").turns)}
        (tmp_path / f"{name}.json").write_text(json.dumps([row]))
    assert shared_rows(tmp_path / f"{SHAREGPT_TRAIN}.json", tmp_path / f"{SHAREGPT_VAL}.json") == (0, 1)


def test_a_chain_of_conversations_is_one_group_whatever_their_order():
    chain = [(f"{number:03d}".encode(), f"{number + 1:03d}".encode()) for number in range(100)]
    for order in (chain, chain[::-1], sorted(chain, key=lambda pair: pair[0][::-1])):
        groups = _Groups()
        for key, other in order:
            groups.join(key, [other])
        assert {groups.key_of(key) for key, _ in chain} == {b"000"}
    assert groups.key_of(b"alone") == b"alone"


def test_a_new_row_moves_few_others(tmp_path: Path):
    held_out = {row["id"] for row in _rows(_split(EXAMPLES[:-1], tmp_path / "1")[1])}
    also = {row["id"] for row in _rows(_split(EXAMPLES, tmp_path / "2")[1])}
    assert len(held_out ^ also) <= 3


def test_rows_of_one_question_stay_together(tmp_path: Path):
    twins = [
        Example(f"{example.id}-{copy}", example.query.upper() + "!" * copy, *example_rest(example))
        for example in EXAMPLES
        for copy in range(3)
    ]
    train, validation, _ = _split(twins, tmp_path)
    assert shared_rows(train, validation) == (0, 0)


def example_rest(example: Example) -> tuple[str, ...]:
    return example.tools, example.calls, example.source, example.licence


def test_the_form_of_a_row(tmp_path: Path):
    _, validation, _ = _split(EXAMPLES, tmp_path)
    by_id = {example.id: example for example in EXAMPLES}
    kinds = set()
    for row in _rows(validation):
        example = by_id[row["id"]]
        question, answer = row["conversations"]
        calls = json.loads(example.calls)
        assert question == {"from": "human", "value": example.query}
        assert (row["system"], row["tools"], row["source"], row["flags"]) == ("", example.tools, "test", [])
        if not calls:
            assert answer == {"from": "gpt", "value": REFUSAL}
        else:
            assert answer["from"] == "function_call"
            assert json.loads(answer["value"]) == (calls if len(calls) > 1 else calls[0])
        kinds.add(min(2, len(calls)))
        assert row[TOOLS_SEEN] is True
    assert kinds == {0, 1, 2}


def test_turns_read_back(tmp_path: Path):
    train, _, _ = _split(EXAMPLES, tmp_path)
    by_id = {example.id: example for example in EXAMPLES}
    for turn in read_turns(train):
        assert turn.query == by_id[turn.id].query
        assert [call.as_dict() for call in turn.calls] == json.loads(by_id[turn.id].calls)


def test_dataset_info_is_what_llama_factory_documents(tmp_path: Path):
    train, validation, _ = _split(EXAMPLES, tmp_path)
    for split, name in ((train, SHAREGPT_TRAIN), (validation, SHAREGPT_VAL)):
        info = json.loads((split.parent / DATASET_INFO).read_text())[name]
        assert info["formatting"] == "sharegpt"
        assert info["file_name"] == split.name
        rows = _rows(split)
        assert set(info["columns"].values()) <= set(rows[0])
        tags = info["tags"]
        for row in rows:
            assert {turn[tags["role_tag"]] for turn in row["conversations"]} <= {
                tags[f"{role}_tag"] for role in ("user", "assistant", "observation", "function")
            }
            assert all(isinstance(turn[tags["content_tag"]], str) for turn in row["conversations"])


def test_an_unseen_tool_is_marked(tmp_path: Path):
    rare = READER.read([{"name": "only_once", "parameters": {}}])[0].json
    examples = [
        Example(f"r{n}", f"question number {n}", f"[{rare}]", '[{"name":"only_once","arguments":{}}]', "t", "")
        for n in range(3)
    ]
    for example in examples:  # whichever of them is held out alone had its tool in training only if another was
        _, validation, (_, held_out) = _split([*EXAMPLES, example], tmp_path / example.id, validation_share=0.5)
        found = [row for row in _rows(validation) if row["id"] == example.id]
        assert all(row[TOOLS_SEEN] is False for row in found)
        assert held_out.tools_seen == held_out.rows - len(found)


def test_another_form_is_trained_on_and_not_validated(tmp_path: Path):
    def masked_form(example: Example) -> Example | None:
        even = int(example.id) % 2 == 0
        return Example(example.id, "MASKED " + example.query, *example_rest(example)) if even else None

    train, validation, (trained, _) = _split(EXAMPLES, tmp_path, training_form=masked_form)
    masked = [row["conversations"][0]["value"].startswith("MASKED") for row in _rows(train)]
    assert masked == [int(row["id"]) % 2 == 0 for row in _rows(train)]
    assert trained.masked == sum(masked)
    assert not any("MASKED" in row["conversations"][0]["value"] for row in _rows(validation))


def test_too_few_rows_for_two_sides(tmp_path: Path):
    with pytest.raises(FcAssetsError, match="cannot be split"):
        _split(EXAMPLES[:1], tmp_path / "one")
    with pytest.raises(FcAssetsError, match="different queries: 1"):
        _split([EXAMPLES[0]] * 20, tmp_path / "same")


def test_repeats_are_found_in_normal_form(tmp_path: Path):
    train, _, _ = _split(EXAMPLES, tmp_path)
    row = _rows(train)[3]
    question = row["conversations"][0]["value"]
    assert row["id"] in rows_asking([question.upper() + " ?!"], train)
    assert rows_asking(["nobody asked this"], train) == []


def test_a_split_file_is_read_row_by_row(tmp_path: Path):
    train, _, _ = _split(EXAMPLES, tmp_path)
    assert list(split_rows(train)) == _rows(train)
    train.write_text('[{"id": "1"},\n5]')
    with pytest.raises(FcAssetsError, match="line 2 is no ShareGPT row"):
        list(split_rows(train))
