"""A lineage in small: every asset that a promotion rests on, with real files in the real formats, made in milliseconds.

Training is what is left out: the checkpoint is a few random numbers. `Home` holds the switches of a test: which gates
fail or forget their bar, what happens while a gate is being judged, and a text that goes into an asset's bytes so that
materialising it again gives another digest.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
from safetensors.numpy import save_file

from fc_assets.calls.conversations import read_turns
from fc_assets.data.rows.examples_file import example_writer
from fc_assets.data.rows.normalise import Example
from fc_assets.data.rows.sharegpt import sharegpt_row
from fc_assets.evaluation.answers import Answer
from fc_assets.evaluation.inference.predictions import write_predictions
from fc_assets.evaluation.prediction_files import Prediction, read_predictions, scoring_rows
from fc_assets.evaluation.report.build import build_report
from fc_assets.evaluation.report.write import results
from fc_assets.evaluation.scoring import score_rows
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import AssetStep, Runtime, build_resources, latest_artifact
from fc_assets.foundation.thresholds import Bar, Kind
from fc_assets.names import EXAMPLES, PREDICTIONS, RESULTS
from fc_assets.profiles import Profile, load_profile
from fc_assets.release.assets import build_promoted_policy
from fc_assets.release.promotion import LINEAGE
from fc_assets_tests.support.tools import WEIGHTS

TOOLS = [
    {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
    {"name": "ping", "description": "", "parameters": {"type": "object", "properties": {}}},
]
CITIES = ("Berlin", "Lima", "Oslo", "Rome", "Quito", "Hanoi")
GATED = ("xlam_raw", "lora_adapter", "grpo_policy", "predictions/grpo", "bfcl_scores/grpo", "eval_report")
BARS = {
    "eval_report": Bar("gates.sft.parse_rate", Kind.AT_LEAST),
    "lora_adapter": Bar("gates.max_overlong_share", Kind.AT_MOST),
}
UPSTREAM = {
    "xlam_raw": (),
    "sharegpt_train": ("xlam_raw",),
    "sharegpt_val": ("xlam_raw",),
    "base_model": (),
    "lora_adapter": ("base_model", "sharegpt_train"),
    "merged_model": ("base_model", "lora_adapter"),
    "grpo_policy": ("merged_model", "sharegpt_train"),
    **{f"predictions/{v}": (m, "sharegpt_val") for v, m in (("base", "base_model"), ("sft", "merged_model"))},
    "predictions/grpo": ("grpo_policy", "sharegpt_val"),
    **{f"bfcl_scores/{v}": (m,) for v, m in (("base", "base_model"), ("sft", "merged_model"))},
    "bfcl_scores/grpo": ("grpo_policy",),
    "eval_report": (
        "sharegpt_val",
        *(f"{k}/{v}" for k in ("predictions", "bfcl_scores") for v in ("base", "sft", "grpo")),
    ),
}


BASE_REPORT = {"name": "fc-assets/demo-qwen3", "revision": "", "source": "embedded"}


class Home:
    """An artefact home, an instance, and the switches."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, profile: Profile | None = None) -> None:
        self.folder = folder
        self.instance = instance
        self.profile = profile or load_profile("demo")
        self.failing: set[str] = set()
        self.without_bar: set[str] = set()
        self.while_judged: dict[str, Callable[[], object]] = {}
        self.salt: dict[str, str] = {}
        self.assets = [self._asset(name) for name in LINEAGE]
        self.checks = [self._gate(name) for name in GATED]
        specs = [spec for check in self.checks for spec in check.check_specs]
        self.promoted_policy = build_promoted_policy(specs, self.profile)

    @property
    def definitions(self) -> list:
        return [*self.assets, *self.checks, self.promoted_policy]

    def run(
        self,
        selection: dg.AssetSelection | None = None,
        profile: dict[str, Any] | None = None,
        ops: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialise the selection, by default the lineage with its gates; `profile` holds the run's overrides."""
        lineage = dg.AssetSelection.assets(*(asset_key(name) for name in LINEAGE))
        return dg.materialize(
            self.definitions,
            selection=selection if selection is not None else lineage,
            resources=build_resources(self.profile, self.folder),
            instance=self.instance,
            raise_on_error=False,
            run_config={"resources": {"profile": {"config": profile or {}}}, "ops": ops or {}},
            tags=tags,
        )

    def remake(self, *names: str) -> dg.ExecuteInProcessResult:
        """Materialise these assets with their gates."""
        return self.run(dg.AssetSelection.assets(*(asset_key(name) for name in names)))

    def judge(self, *names: str, **profile: Any) -> dg.ExecuteInProcessResult:
        """Run the gates on these assets, and nothing else, with these overrides of the profile."""
        gates = dg.AssetSelection.checks(*(dg.AssetCheckKey(asset_key(name), "gate") for name in names))
        return self.run(gates, profile)

    def promote(self, override_reason: str = "", **profile: Any) -> dg.ExecuteInProcessResult:
        ops = {"promoted_policy": {"config": {"override_reason": override_reason}}}
        return self.run(dg.AssetSelection.assets("promoted_policy"), profile, ops)

    def _asset(self, name: str) -> dg.AssetsDefinition:
        @dg.asset(key=asset_key(name), deps=[asset_key(upstream) for upstream in UPSTREAM[name]])
        def make(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]):
            inputs = [
                latest_artifact(context.instance, runtime.store, asset_key(upstream)) for upstream in UPSTREAM[name]
            ]
            with runtime.step(context) as step:
                by_name = {artifact.asset: artifact for artifact in inputs}
                write(step, name, by_name, self.salt.get(name, ""))
                return step.publish(inputs, {}, report=BASE_REPORT if name == "base_model" else None)

        return make

    def _gate(self, name: str) -> dg.AssetChecksDefinition:
        bar = BARS.get(name)

        @dg.asset_check(name="gate", asset=asset_key(name), blocking=True, metadata=bar.definition if bar else None)
        def gate(runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
            if name in self.while_judged:
                self.while_judged.pop(name)()
            judged_by = bar.record(bar.value(runtime.profile)) if bar and name not in self.without_bar else {}
            return dg.AssetCheckResult(
                passed=name not in self.failing,
                metadata={"measured": 0.5, **judged_by},
                description=f"{name} measured 0.5",
            )

        return gate


def asset_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What the failed step says to people."""
    event = next(event for event in result.all_events if event.is_step_failure)
    return event.event_specific_data.user_failure_data.description


def write(step: AssetStep, name: str, inputs: dict[str, Artifact], salt: str) -> None:
    """Write the files of one asset of the lineage."""
    (step.out / "salt.txt").write_text(salt)
    if name == "xlam_raw":
        with example_writer(step.out / EXAMPLES) as table:
            for example in examples():
                table.write(example)
    elif name.startswith("sharegpt"):
        rows = b",\n".join(sharegpt_row(example) for example in examples())
        (step.out / f"{name}.json").write_bytes(b"[" + rows + b"]")
    elif name in ("base_model", "merged_model", "grpo_policy"):
        write_checkpoint(step.out / "model", salt)
    elif name.startswith("predictions"):
        turns = read_turns(inputs["sharegpt_val"].path / "sharegpt_val.json")
        wrong = {"base": 4, "sft": 1, "grpo": 0}[name.split("/")[1]]
        answers = [
            Answer(turn.id, "no idea" if number < wrong else turn.answer, "stop", 0.1, 10, 10)
            for number, turn in enumerate(turns)
        ]
        write_predictions(answers, step.out / PREDICTIONS)
    elif name == "eval_report":
        (step.out / RESULTS).write_text(json.dumps(_results(inputs)))


def examples() -> list[Example]:
    """Six rows that expect a call, and one that does not."""
    rows = [
        Example(
            id=f"row-{number}",
            query=f"What is the weather in {city}?",
            tools=json.dumps(TOOLS),
            calls=json.dumps([{"name": "get_weather", "arguments": {"city": city}}]),
            source="generator",
            licence="MIT",
        )
        for number, city in enumerate(CITIES)
    ]
    return [*rows, Example("row-6", "Sing a song", json.dumps(TOOLS), "[]", "generator", "MIT")]


def write_checkpoint(folder: Path, salt: str) -> None:
    """A checkpoint folder of Qwen3's architecture with two small tensors."""
    folder.mkdir()
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "vocab_size": 64,
        "max_position_embeddings": 512,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    numbers = np.random.default_rng(len(salt)).normal(size=(64, 32)).astype("float32")
    save_file({"embed": numbers, "head": numbers[:32]}, folder / "model.safetensors")


def _results(inputs: dict[str, Artifact]) -> dict[str, object]:
    turns = read_turns(inputs["sharegpt_val"].path / "sharegpt_val.json")
    frames = {}
    for variant in ("base", "sft", "grpo"):
        (answers,) = read_predictions(inputs[f"predictions/{variant}"].path / PREDICTIONS).values()
        frames[variant] = score_rows(
            scoring_rows(turns, [Prediction(each.id, each.text, "stop") for each in answers]), WEIGHTS
        )
    return results(build_report(frames, WEIGHTS, samples=50, extra_tables={"BFCL": [{"category": "simple", "C": 0.5}]}))
