"""A trace is sent when and as long as it says, prompts share what their hashes share, and bad lines are named."""

import json
from pathlib import Path

import numpy as np
import orjson
import pytest

from fc_assets.load_test.cli import main
from fc_assets.load_test.load.recorded_trace import BLOCK_TOKENS, Trace, TracedRequest, traced_prompts
from fc_assets.names import REPLAY
from fc_assets_tests.support.scripted_server import ScriptedServer, answer

MODELS = {"/v1/models": '{"data": [{"id": "m", "max_model_len": 100}]}'}
LINES = [
    {"timestamp": 1000, "input_length": 20, "output_length": 3},
    {"timestamp": 1400, "input_length": 10, "output_length": 5, "hash_ids": [1]},
    {"timestamp": 1600, "input_length": 12, "output_length": 2, "hash_ids": [1]},
    {"timestamp": 1700, "input_length": 99, "output_length": 9},
]


def written(folder: Path, lines: list) -> Path:
    file = folder / "trace.jsonl"
    file.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return file


def test_requests_come_when_the_trace_says_at_twice_the_speed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(lambda body: answer(body, first_s=0.01), MODELS) as server:
        options = ["--trace", str(written(tmp_path, LINES)), "--speed", "2", "--out", str(tmp_path)]
        assert main(["replay", "--api-url", server.url, *options]) == 0
        came = [exchange.received - server.exchanges[0].received for exchange in server.exchanges]
        bodies = [exchange.body for exchange in server.exchanges]
    assert came == pytest.approx([0, 0.2, 0.3], abs=0.08)
    assert [(len(body["prompt"]), body["max_tokens"]) for body in bodies] == [(20, 3), (10, 5), (12, 2)]
    assert bodies[1]["prompt"] == bodies[2]["prompt"][:10]
    printed = capsys.readouterr()
    assert "1 requests are left out: they need more than 100 tokens" in printed.err
    assert "ttft_p95_s" in printed.out
    found = json.loads((tmp_path / REPLAY).read_text())
    assert (found["requests"], found["left_out"], found["error_rate"]) == (3, 1, 0)


def test_prompts_share_the_blocks_whose_hashes_they_share() -> None:
    def traced(length: int, *hashes: int) -> TracedRequest:
        return TracedRequest(timestamp=0, input_length=length, output_length=1, hash_ids=hashes)

    trace = Trace([traced(1100, 7, 8, 9), traced(1100, 7, 8, 10), traced(1100), traced(600, 7)], 0)
    make = traced_prompts("m", trace, seed=1)
    first, second, third, last = (np.array(orjson.loads(make(number).body)["prompt"]) for number in range(4))
    assert (first[: 2 * BLOCK_TOKENS] == second[: 2 * BLOCK_TOKENS]).all()
    assert (first[2 * BLOCK_TOKENS :] != second[2 * BLOCK_TOKENS :]).any()
    assert (first[:16] != third[:16]).any()
    assert len(last) == 600  # one block, and 88 tokens of its own
    assert (last[:BLOCK_TOKENS] == first[:BLOCK_TOKENS]).all()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2 is not JSON"),
        ({"timestamp": 1, "input_length": 0, "output_length": 1}, "line 2: input_length: Input should be greater"),
        ({"timestamp": 1, "output_length": 1}, "line 2: input_length: Field required"),
    ],
)
def test_a_line_that_is_not_of_the_form_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: object, said: str
) -> None:
    with ScriptedServer(answer, MODELS) as server:
        assert main(["replay", "--api-url", server.url, "--trace", str(written(tmp_path, [LINES[0], line]))]) == 1
        assert not server.exchanges
    assert said in capsys.readouterr().err


def test_a_trace_of_which_nothing_fits_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(answer, MODELS) as server:
        assert main(["replay", "--api-url", server.url, "--trace", str(written(tmp_path, LINES[3:]))]) == 1
    assert "None of the 1 requests" in capsys.readouterr().err
