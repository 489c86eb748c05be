"""The evaluation assets and gates in-process, against an external chat server that knows the answers."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from aiohttp import web

from fc_assets.evaluation.assets import ASSETS, VARIANTS, bfcl_key, predictions_key
from fc_assets.evaluation.checks import CHECKS
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.profiles import Profile, load_profile

ROWS = 60
TOOLS = [
    {
        "name": name,
        "description": f"Does {name}.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    }
    for name in ("lift", "turn")
]


def split_row(number: int) -> dict[str, object]:
    """Every sixth row expects no call."""
    query = f"Please lift {number}." if number % 6 else f"Sing {number} songs."
    answer = (
        {"from": "function_call", "value": json.dumps({"name": "lift", "arguments": {"n": number}})}
        if number % 6
        else {"from": "gpt", "value": "I cannot sing."}
    )
    return {
        "id": f"row-{number}",
        "conversations": [{"from": "human", "value": query}, answer],
        "system": "",
        "tools": json.dumps(TOOLS),
        "tools_seen_in_train": bool(number % 2),
    }


class KnowingServer:
    """An external server of three models: base is right on a third of the rows, sft and grpo on all."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answers_left = 10**9
        self.wrong_on_thirds = {"base"}

    async def chat(self, request: web.Request) -> web.Response:
        if self.answers_left <= 0:
            return web.json_response({"error": {"message": "the card is gone"}}, status=500)
        body = await request.json()
        query = body["messages"][-1]["content"]
        self.asked[f"{body['model']}: {query}"] += 1
        self.answers_left -= 1
        digits = "".join(filter(str.isdigit, query)) or "0"
        call = {"name": "lift", "arguments": {"n": int(digits)}}
        if body.get("tool_choice") == "required":
            function = {"name": "lift", "arguments": json.dumps(call["arguments"])}
            message = {"message": {"content": None, "tool_calls": [{"function": function}]}, "finish_reason": "stop"}
            return web.json_response({"choices": [message]})
        text = "I cannot sing."
        if query.startswith("Please lift"):
            text = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
        if body["model"] in self.wrong_on_thirds and int(digits) % 3:
            text = "<tool_call>\nlift it\n</tool_call>"
        message = {"message": {"content": text}, "finish_reason": "stop"}
        return web.json_response({"choices": [message], "usage": {"prompt_tokens": 9, "completion_tokens": 5}})

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": name, "max_model_len": 1024} for name in (*VARIANTS, "champion")]})


def source(key: str, fill: Callable[[Path], object]) -> dg.AssetsDefinition:
    """An upstream asset whose artefact `fill` writes."""

    @dg.asset(key=key)
    def upstream(
        context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]
    ) -> dg.MaterializeResult[Artifact]:
        with runtime.step(context) as step:
            fill(step.out)
            return step.publish([], {})

    return upstream


def write_split(rows: int = ROWS) -> Callable[[Path], object]:
    return lambda out: (out / "sharegpt_val.json").write_text(json.dumps([split_row(n) for n in range(rows)]))


def write_model(name: str, checkpoint: Path | None) -> Callable[[Path], object]:
    if checkpoint is None:
        return lambda out: (out / "name").write_text(name)
    return lambda out: shutil.copytree(checkpoint, out / "model")


class World:
    """An artefact home and an instance in which the upstream assets exist."""

    def __init__(self, home: Path, settings: dict[str, dict[str, Any]], checkpoint: Path | None = None) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        values = load_profile("demo").model_dump()
        self.profile = Profile.model_validate({name: self._with(values[name], settings.get(name)) for name in values})
        self.store = ArtifactStore(home)
        self.resources = build_resources(self.profile, home)
        self.models = [source(asset, write_model(asset, checkpoint)) for asset in VARIANTS.values()]
        self.split = source("sharegpt_val", write_split())
        self.materialise(["sharegpt_val", *VARIANTS.values()])

    @staticmethod
    def _with(value: Any, changes: dict[str, Any] | None) -> Any:
        return {**value, **changes} if changes else value

    def materialise(self, keys: list[str]) -> dg.ExecuteInProcessResult:
        return self._run(dg.AssetSelection.assets(*(dg.AssetKey(key.split("/")) for key in keys)))

    def judge(self, gate: dg.AssetCheckKey) -> dg.ExecuteInProcessResult:
        """Run one gate alone."""
        return self._run(dg.AssetSelection.checks(gate))

    def _run(self, chosen: dg.AssetSelection) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [*self.models, self.split, *ASSETS, *CHECKS],
            selection=chosen,
            resources=self.resources,
            instance=self.instance,
            raise_on_error=False,
        )

    def exists(self, key: dg.AssetKey) -> bool:
        return self.instance.get_latest_materialization_event(key) is not None


def fast(url: str) -> dict[str, dict[str, Any]]:
    return {
        "server": {"api_url": url},
        "evaluation": {"retries": 0, "concurrency": 4, "request_timeout_s": 5, "bootstrap_samples": 200},
        "bfcl": {"rows_per_category": 1, "categories": ("simple_python", "irrelevance")},
    }


def failures(result: dg.ExecuteInProcessResult) -> str:
    """What failed steps said to people; a failed gate says nothing here."""
    found = (event.step_failure_data.user_failure_data for event in result.get_step_failure_events())
    return " ".join(str(failure.description) for failure in found if failure)


def gates(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {
        f"{found.asset_key.to_user_string()}: {found.check_name}": found.passed
        for found in result.get_asset_check_evaluations()
    }


def evaluate_all(world: World) -> dg.ExecuteInProcessResult:
    keys = [key for variant in VARIANTS for key in (predictions_key(variant), bfcl_key(variant))]
    result = world.materialise([key.to_user_string() for key in keys])
    # An external server without /tokenize cannot prove parity: that gate fails, and it says why.
    unproven = {name for name, passed in gates(result).items() if not passed}
    assert unproven == {f"predictions/{variant}: template_parity" for variant in VARIANTS}
    assert all(map(world.exists, keys))
    return result


@pytest.mark.slow
def test_variants_are_evaluated_compared_and_judged(
    tmp_path: Path, server: tuple[KnowingServer, str], checker: None
) -> None:
    settings = fast(server[1])
    settings["evaluation"]["constrained_rows"] = 10
    unweighted = dict.fromkeys(("schema_hit", "simulated_exec", "semantic_match"), 0.0)
    settings["grpo"] = {"rewards": {"json_parse": 2.0, **unweighted}}
    world = World(tmp_path, settings)
    evaluate_all(world)
    result = world.materialise(["eval_report"])
    assert result.success, failures(result)
    assert gates(result) and all(gates(result).values())
    metadata = result.get_asset_materialization_events()[0].materialization.metadata
    assert metadata["exact_match_sft"].value == metadata["parse_rate_grpo"].value == 1.0
    assert metadata["exact_match_base"].value == pytest.approx(1 / 3)
    assert metadata["irrelevance_accuracy_sft"].value == 1.0
    folder = Path(str(metadata["path"].value))
    assert {"report.md", "report.html", "results.json"} <= {file.name for file in folder.iterdir()}
    assert "Berkeley" in (folder / "report.md").read_text()
    variants = json.loads((folder / "results.json").read_text())["variants"]
    assert variants["sft"]["reward"] == 2.0, "a right answer earns the weights that the profile gives the signals"
    decoding = {record["variant"]: record for record in (row.data for row in metadata["decode_modes"].records)}
    assert decoding["base"]["exact_match, constrained"] == decoding["sft"]["exact_match, free"] == 1.0
    assert decoding["base"]["exact_match, free"] < 1.0 and decoding["base"]["rows"] == 10

    world.split = source("sharegpt_val", write_split(ROWS // 2))
    world.materialise(["sharegpt_val"])
    assert "predictions/base answers another sharegpt_val" in failures(world.materialise(["eval_report"]))


def test_one_of_a_variants_two_assets_can_be_redone_alone(tmp_path: Path, server: tuple[KnowingServer, str]) -> None:
    world = World(tmp_path, fast(server[1]))
    result = world.materialise(["predictions/sft"])
    assert not failures(result)
    assert set(gates(result)) == {"predictions/sft: rows_were_answered", "predictions/sft: template_parity"}
    assert world.exists(predictions_key("sft")) and not world.exists(bfcl_key("sft"))
    assert sum(server[0].asked.values()) == ROWS


def test_a_failure_of_bfcl_leaves_the_predictions(tmp_path: Path, server: tuple[KnowingServer, str]) -> None:
    settings = fast(server[1])
    settings["bfcl"]["python"] = str(tmp_path / "nowhere")
    world = World(tmp_path, settings)
    result = world.materialise(["predictions/sft", "bfcl_scores/sft"])
    assert "The BFCL checker's environment is missing" in failures(result)
    assert world.exists(predictions_key("sft")) and not world.exists(bfcl_key("sft"))


def test_a_server_that_dies_fails_the_step_and_no_row_is_asked_twice(
    tmp_path: Path, server: tuple[KnowingServer, str]
) -> None:
    known, url = server
    known.answers_left = 25
    world = World(tmp_path, fast(url))
    result = world.materialise(["predictions/grpo"])
    assert "stayed without an answer" in failures(result) and "the card is gone" in failures(result)
    assert not world.exists(predictions_key("grpo"))
    assert not any((tmp_path / "staging").iterdir()), "nothing half-written stays"

    known.answers_left = 10**9
    world.materialise(["predictions/grpo"])
    assert world.exists(predictions_key("grpo"))
    assert known.asked and set(known.asked.values()) == {1}
    assert sum(known.asked.values()) == ROWS
    assert not any((tmp_path / "resume").rglob("*.jsonl")), "the log goes once the answers are published"


def test_a_missing_upstream_is_named(tmp_path: Path, server: tuple[KnowingServer, str]) -> None:
    world = World(tmp_path, fast(server[1]))
    result = world.materialise(["eval_report"])
    assert "has not been materialised yet" in failures(result)
