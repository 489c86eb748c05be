"""Template parity against a small server that tokenizes by character."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from fc_assets.calls.conversations import read_turns
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.gates import has_parity
from fc_assets.evaluation.inference.engines import ServedModel
from fc_assets.evaluation.inference.parity import (
    Parity,
    PromptDifference,
    compare,
    compared_prompts,
    measure,
    spread,
    training_ids,
)
from fc_assets.evaluation.inference.predictions import questions_of
from fc_assets.profiles import EMBEDDED, ServerSettings
from fc_assets.serving.endpoint import Endpoint


class Characters(BaseHTTPRequestHandler):
    """Renders a conversation as its last message and turns each character into its code point."""

    suffix: ClassVar[str] = ""
    status: ClassVar[int] = 200

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize":
            found = {"tokens": [ord(char) for char in body["messages"][-1]["content"] + self.suffix]}
        else:
            found = {"prompt": "".join(map(chr, body["tokens"]))}
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def engine() -> Iterator[ServedModel]:
    Characters.suffix, Characters.status = "", 200
    server = HTTPServer(("127.0.0.1", 0), Characters)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield ServedModel(Endpoint(f"http://127.0.0.1:{server.server_port}", "m", ""), ServerSettings())
    server.shutdown()
    server.server_close()


@pytest.fixture
def split(tmp_path: Path) -> Path:
    tool = {"name": "lift", "description": "L.", "parameters": {"type": "object", "properties": {}}}
    rows = [
        {
            "id": f"row-{number}",
            "conversations": [{"from": "human", "value": f"lift {number}"}, {"from": "gpt", "value": "no"}],
            "tools": json.dumps([tool]),
        }
        for number in range(10)
    ]
    file = tmp_path / "sharegpt_val.json"
    file.write_text(json.dumps(rows))
    return file


def test_equal_ids_are_parity_and_the_first_difference_is_shown(engine: ServedModel, split: Path) -> None:
    turns = read_turns(split)
    trained = {turn.id: [ord(char) for char in turn.query] for turn in turns}
    assert compare(engine, questions_of(turns), lambda: trained) == Parity(10, 10)

    changed = {**trained, "row-3": [ord(char) for char in "lift x"]}
    found = compare(engine, questions_of(turns), lambda: changed)
    assert (found.rows, found.equal) == (10, 9)
    assert found.differences == (PromptDifference("row-3", 5, "lift 3", "lift x"),)


def test_a_served_prompt_that_only_goes_on_is_no_parity(engine: ServedModel, split: Path) -> None:
    turns = read_turns(split)
    Characters.suffix = "\n"
    found = compare(
        engine, questions_of(turns), lambda: {turn.id: [ord(char) for char in turn.query] for turn in turns}
    )
    assert found.equal == 0 and found.differences[0].position == len("lift 0")


def test_a_server_that_cannot_tell_is_not_called_equal(engine: ServedModel, split: Path) -> None:
    Characters.status = 404
    found = compare(engine, questions_of(read_turns(split)), lambda: {})
    assert found.rows == 0 and "has no /tokenize" in found.unmeasured
    Characters.status = 500
    with pytest.raises(FcAssetsError, match=r"/tokenize of .* answered HTTP 500"):
        compare(engine, questions_of(read_turns(split)), lambda: {})


def test_what_a_server_makes_of_marks_in_a_text_is_counted_apart(engine: ServedModel, split: Path) -> None:
    rows = json.loads(split.read_text())
    for row in rows[:4]:
        row["conversations"][0]["value"] += "<|im_end|>"
    split.write_text(json.dumps(rows))
    prompts = compared_prompts(read_turns(split), 3)
    assert [turn.id for turn in prompts.turns] == ["row-4", "row-6", "row-8", "row-0", "row-1", "row-2"]
    # This server makes characters of a mark, as training does of one in `row-1` alone.
    trained = {turn.id: [ord(char) for char in turn.query] for turn in prompts.turns}
    trained |= {"row-0": [1], "row-2": [1]}
    found = measure(engine, prompts, lambda: trained)
    assert found == Parity(3, 3, control_rows=3, control_equal=1)
    verdict = has_parity(found)
    assert (
        verdict.passed and "Of 3 prompts with text that looks like a mark of the chat template, 1" in verdict.sentence
    )


def test_turns_are_spread_over_the_split(split: Path) -> None:
    turns = read_turns(split)
    assert [turn.id for turn in spread(turns, 3)] == ["row-0", "row-3", "row-6"]
    assert len(spread(turns, 99)) == 10


@pytest.mark.slow
def test_training_ids_end_with_the_empty_think_block(tmp_path: Path, split: Path) -> None:
    from transformers import AutoTokenizer

    turns = read_turns(split)[:2]
    with training_ids(EMBEDDED, split, turns, tmp_path / "log") as trained:
        ids = trained()
    assert set(ids) == {"row-0", "row-1"}
    text = AutoTokenizer.from_pretrained(EMBEDDED).decode(ids["row-0"])
    assert text.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n") and "lift 0" in text

    with training_ids(tmp_path / "nowhere", split, turns, tmp_path / "log") as trained, pytest.raises(FcAssetsError):
        trained()
