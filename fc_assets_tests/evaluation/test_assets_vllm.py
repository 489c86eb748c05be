"""One variant through a real vLLM server: the raw text comes back, with the tools in the prompt that training saw."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fc_assets.calls.parse import parse_strict
from fc_assets.evaluation.assets import bfcl_key, predictions_key
from fc_assets.evaluation.bfcl.scores import find_python
from fc_assets.foundation.resources import latest_artifact
from fc_assets.names import BFCL_ROWS, REPORT
from fc_assets.profiles import EMBEDDED, BfclSettings
from fc_assets_tests.support.evaluation_world import ROWS, World, failures, gates


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.skipif(not (EMBEDDED / "model.safetensors").is_file(), reason="the embedded model has not been built")
def test_a_variant_is_evaluated_by_a_real_server(tmp_path: Path) -> None:
    find_python(BfclSettings())
    single, conversations = ("simple_python", "live_multiple", "irrelevance"), ("multi_turn_base", "memory_rec_sum")
    bfcl = {"rows_per_category": 1, "categories": (*single, *conversations)}
    settings = {
        "server": {"max_model_len": 2048},
        "evaluation": {"constrained_rows": 12},
        "bfcl": {**bfcl, "prompt_modes": ("chat_template", "official")},
    }
    world = World(tmp_path, settings, checkpoint=EMBEDDED)
    result = world.materialise(["predictions/base", "bfcl_scores/base"])
    assert result.success, failures(result)
    assert gates(result) and all(gates(result).values())

    predictions = latest_artifact(world.instance, world.store, predictions_key("base"))
    answers = pq.read_table(predictions.path / "predictions.parquet").to_pylist()
    assert len(answers) == ROWS and not any(answer["error"] for answer in answers)
    assert all(0 < answer["completion_tokens"] <= world.profile.evaluation.max_tokens for answer in answers)
    assert any("<tool_call>" in answer["text"] for answer in answers), "the server gives the raw text, not parsed calls"
    forced = pq.read_table(predictions.path / "predictions_constrained.parquet").to_pylist()
    assert len(forced) == 12
    assert {call.name for answer in forced for call in parse_strict(answer["text"]).calls} <= {"lift", "turn"}
    assert all(parse_strict(answer["text"]).calls for answer in forced if answer["finish_reason"] != "length")
    parity = {"rows": ROWS, "equal": ROWS, "differences": [], "unmeasured": "", "control_rows": 0, "control_equal": 0}
    assert predictions.read_json("parity.json") == parity
    server = predictions.read_json("server.json")
    assert server["device"] == "cpu" and server["asking"]["decode"] == "free" and "api_key" not in json.dumps(server)

    scores = latest_artifact(world.instance, world.store, bfcl_key("base")).read_json(REPORT)
    assert set(scores["modes"]) == {"chat_template", "official"}
    assert all(len(mode["categories"]) == 5 and not mode["failed"] for mode in scores["modes"].values())
    assert {name: mode["max_tokens"] for name, mode in scores["modes"].items()} == {
        "chat_template": 96,
        "official": 4096,
    }
    rows = pq.read_table(latest_artifact(world.instance, world.store, bfcl_key("base")).path / BFCL_ROWS).to_pylist()
    long = {row["category"] for row in rows if row["too_long"]}
    assert "multi_turn_base" in long and not {"simple_python", "irrelevance"} & long, (
        "a budget beyond the model's length is no reason to call a prompt too long"
    )
