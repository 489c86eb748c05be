"""A new policy against the promoted one: asked only where it must be, compared on the same rows, held to a margin."""

from pathlib import Path

import dagster as dg
import pytest

from fc_assets.evaluation.assets import bfcl_key, predictions_key
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import Runtime, latest_artifact
from fc_assets.names import EVAL_REPORT, PROMOTED_POLICY, VARIANT_MODELS
from fc_assets_tests.support.evaluation_world import (
    ROWS,
    KnowingServer,
    World,
    failures,
    fast,
    gates,
    source,
    write_model,
    write_split,
)

GATE = "eval_report: grpo_is_not_worse_than_champion"


def promote(world: World) -> str:
    """Record a promotion of the present policy as `promoted_policy` does; returns the policy's digest."""

    @dg.asset(key=PROMOTED_POLICY)
    def promoted_policy(
        context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]
    ) -> dg.MaterializeResult[Artifact]:
        keys = (dg.AssetKey("grpo_policy"), predictions_key("grpo"))
        made_from = [latest_artifact(context.instance, runtime.store, key) for key in keys]
        with runtime.step(context) as step:
            (step.out / "policy").write_text(made_from[0].digest)
            return step.publish(made_from, {})

    assert dg.materialize([promoted_policy], resources=world.resources, instance=world.instance).success
    return latest_artifact(world.instance, world.store, dg.AssetKey("grpo_policy")).digest


def train_again(world: World, name: str) -> None:
    """Another policy: the same asset with other bytes."""
    world.models = [
        source(asset, write_model(name if asset == "grpo_policy" else asset, None)) for asset in VARIANT_MODELS.values()
    ]
    world.materialise(["grpo_policy"])


def predictions_of(world: World) -> Artifact:
    return latest_artifact(world.instance, world.store, predictions_key("grpo"))


def asked_of(known: KnowingServer, policy: str) -> int:
    return sum(count for question, count in known.asked.items() if question.startswith(f"grpo-{policy[:16]}: "))


def test_recorded_answers_serve_again_and_are_asked_for_anew_on_another_split(
    tmp_path: Path,
    server: tuple[KnowingServer, str],
) -> None:
    known, url = server
    world = World(tmp_path, fast(url))
    world.materialise(["predictions/grpo"])
    assert "champion.json" not in predictions_of(world).files
    first = promote(world)

    world.materialise(["predictions/grpo"])
    assert "champion.json" not in predictions_of(world).files, "the promoted policy is no opponent of its own"

    known.asked.clear()
    train_again(world, "another policy")
    world.materialise(["predictions/grpo"])
    assert predictions_of(world).read_json("champion.json")["policy"] == first
    assert "champion.parquet" in predictions_of(world).files and asked_of(known, first) == 0

    world.split = source("sharegpt_val", write_split(ROWS // 2))
    world.materialise(["sharegpt_val", "predictions/grpo"])
    assert asked_of(known, first) == ROWS // 2


def test_a_champion_whose_files_are_gone_costs_its_gate_and_not_the_predictions(
    tmp_path: Path,
    server: tuple[KnowingServer, str],
) -> None:
    world = World(tmp_path, fast(server[1]))
    world.materialise(["predictions/grpo"])
    promote(world)
    release = latest_artifact(world.instance, world.store, dg.AssetKey(PROMOTED_POLICY))
    (release.path / "policy").write_text("damaged")
    train_again(world, "another policy")
    world.split = source("sharegpt_val", write_split(ROWS // 2))
    result = world.materialise(["sharegpt_val", "predictions/grpo"])
    assert not failures(result)
    assert "has changed since it was recorded" in predictions_of(world).read_json("champion.json")["unasked"]


@pytest.mark.slow
def test_a_policy_that_loses_to_the_champion_is_held_back(
    tmp_path: Path,
    server: tuple[KnowingServer, str],
    checker: None,
) -> None:
    known, url = server
    world = World(tmp_path, fast(url))
    everything = [key.to_user_string() for v in VARIANT_MODELS for key in (predictions_key(v), bfcl_key(v))]
    world.materialise(everything)
    result = world.materialise(["eval_report"])
    assert gates(result)[GATE], "nobody is promoted yet"
    champion = promote(world)

    train_again(world, "a worse policy")
    known.wrong_on_thirds.add("grpo")
    world.materialise(["predictions/grpo", "bfcl_scores/grpo"])
    result = world.materialise(["eval_report"])
    assert not gates(result)[GATE]
    report = latest_artifact(world.instance, world.store, dg.AssetKey(EVAL_REPORT))
    exact = next(t for t in report.read_json("champion.json")["champion"]["tests"] if t["metric"] == "exact_match")
    assert exact["difference"] == pytest.approx(-2 / 3) and exact["only_second"] == 0
    assert report.read_json("champion.json")["champion"]["policy"] == champion
    assert "Against the promoted policy" in (report.path / "report.md").read_text()

    promote(world)  # by hand, say: the report's policy is the champion now
    judged = world.judge(dg.AssetCheckKey(dg.AssetKey(EVAL_REPORT), GATE.split(": ")[1]))
    (evaluation,) = judged.get_asset_check_evaluations()
    assert evaluation.passed and "No other policy is promoted" in str(evaluation.description)
