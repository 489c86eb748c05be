"""The evaluation in-process: upstream artefacts in small, and an external chat server that knows the answers."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
from aiohttp import web

from fc_assets.evaluation.assets import assets, bfcl_key
from fc_assets.evaluation.bfcl.model import BfclReport, ModeSummary
from fc_assets.evaluation.bfcl.summaries import headline
from fc_assets.evaluation.checks import checks
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.names import ARM_MODELS, MODEL_FOLDER, REPORT, SHAREGPT_VAL, VARIANT_MODELS, split_file
from fc_assets.profiles import Profile, load_profile, variant_models
from fc_assets_tests.support.external_models import models_of

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
    """An external server of every model in `home`: base is right on a third of the rows, sft and grpo on all.

    Its models are called `VARIANT-DIGEST`; it serves those of `variants`.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.variants: tuple[str, ...] = tuple(VARIANT_MODELS)
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
        if body["model"].partition("-")[0] in self.wrong_on_thirds and int(digits) % 3:
            text = "<tool_call>\nlift it\n</tool_call>"
        message = {"message": {"content": text}, "finish_reason": "stop"}
        return web.json_response({"choices": [message], "usage": {"prompt_tokens": 9, "completion_tokens": 5}})

    async def models(self, _: web.Request) -> web.Response:
        models = {**VARIANT_MODELS, **ARM_MODELS}
        names = [(variant, models[variant]) for variant in self.variants]
        return web.json_response(models_of(self.home, names))


def source(key: str | dg.AssetKey, fill: Callable[[Path], object]) -> dg.AssetsDefinition:
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
    return lambda out: (out / split_file(SHAREGPT_VAL)).write_text(json.dumps([split_row(n) for n in range(rows)]))


def write_model(name: str, checkpoint: Path | None) -> Callable[[Path], object]:
    if checkpoint is None:
        return lambda out: (out / "name").write_text(name)
    return lambda out: shutil.copytree(checkpoint, out / MODEL_FOLDER)


def bfcl_stand_ins(profile: Profile) -> list[dg.AssetsDefinition]:
    """`bfcl_scores` of every variant without the leaderboard's checker: nothing was sampled."""
    mode = ModeSummary(headline=headline((), {}), parse_share=1.0, failed=0, too_long=0, categories=())
    report = BfclReport(bfcl_eval="1", sampled=0, sizes={}, modes={"chat_template": mode}).model_dump_json()
    return [source(bfcl_key(each), lambda out: (out / REPORT).write_text(report)) for each in variant_models(profile)]


class World:
    """An artefact home and an instance in which the upstream assets exist; without an `instance`, one in memory."""

    def __init__(
        self,
        home: Path,
        settings: dict[str, dict[str, Any]],
        checkpoint: Path | None = None,
        instance: dg.DagsterInstance | None = None,
    ) -> None:
        self.instance = instance or dg.DagsterInstance.ephemeral()
        values = load_profile("demo").model_dump()
        self.profile = Profile.model_validate({name: self._with(values[name], settings.get(name)) for name in values})
        self.store = ArtifactStore(home)
        self.resources = build_resources(self.profile, home)
        models = variant_models(self.profile).values()
        self.models = [source(asset, write_model(asset, checkpoint)) for asset in models]
        self.split = source(SHAREGPT_VAL, write_split())
        self.materialise([SHAREGPT_VAL, *models])

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
            [*self.models, self.split, *assets(self.profile), *checks(self.profile)],
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
        "evaluation": {"retries": 0, "concurrency": 4, "request_timeout_s": 5, "bootstrap_samples": 200, "episodes": 0},
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
