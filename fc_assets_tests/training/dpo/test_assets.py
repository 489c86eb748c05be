"""The DPO arm for real on the embedded model: from a tiny merged model to its column in the report."""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from fc_assets.data.assets import ASSETS as DATA
from fc_assets.evaluation.assets import assets as evaluation_assets
from fc_assets.evaluation.assets import predictions_key
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.resources import build_resources, latest_artifact
from fc_assets.names import MODEL_FOLDER, PREFERENCE_PAIRS, REPORT
from fc_assets.profiles import EMBEDDED, Profile, load_profile, parse_profile, variant_models
from fc_assets.training.assets import ASSETS as TRAINING
from fc_assets.training.dpo.assets import assets as dpo_assets
from fc_assets.training.dpo.checks import checks as dpo_checks
from fc_assets_tests.support.evaluation_world import bfcl_stand_ins, failures, source
from fc_assets_tests.support.killing import kill_when

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROWS = 12


@pytest.fixture(scope="module")
def profile() -> Profile:
    values = load_profile("demo").model_dump()
    values["data"].update(rows=300, broken_rows=1)
    values["sft"].update(max_steps=8, save_every=8)
    values["dpo"].update(enabled=True, prompts=12, generations=4, max_completion=40, max_steps=4, save_every=2)
    values["evaluation"].update(engine="transformers", max_rows=ROWS, max_tokens=16, bootstrap_samples=50)
    return parse_profile(values, "demo")


class Location:
    """A home, an instance, and what is made in them."""

    def __init__(self, home: Path, instance: dg.DagsterInstance, profile: Profile) -> None:
        self.home, self.instance, self.profile = home, instance, profile

    def make(self, definitions: list, *keys: dg.AssetKey) -> dg.ExecuteInProcessResult:
        """Materialise these assets, by default all that are defined."""
        return dg.materialize(
            definitions,
            selection=[*keys] or None,
            resources=build_resources(self.profile, self.home),
            instance=self.instance,
            raise_on_error=False,
        )

    def train(self, *names: str) -> dg.ExecuteInProcessResult:
        definitions = [*DATA, *TRAINING, *dpo_assets(self.profile), *dpo_checks(self.profile)]
        return self.make(definitions, *map(dg.AssetKey, names))

    def latest(self, name: str) -> Artifact:
        return latest_artifact(self.instance, ArtifactStore(self.home), dg.AssetKey(name))


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory, profile: Profile) -> Iterator[Location]:
    with dg.DagsterInstance.ephemeral() as instance:
        found = Location(tmp_path_factory.mktemp("home"), instance, profile)
        made = ("xlam_raw", "sharegpt_train", "sharegpt_val", "base_model", "lora_adapter", "merged_model")
        assert found.train(*made).success
        yield found


def test_a_killed_training_goes_on_and_gives_the_same_policy(location: Location) -> None:
    resume = location.home / "resume" / "dpo_policy"
    killer = kill_when(
        lambda: [*resume.rglob("checkpoint-2/trainer_state.json")], "fc_assets.training.dpo.dpo_job", seconds=400
    )
    killed = location.train("dpo_policy")
    killer.join()
    assert not killed.success
    assert [*resume.rglob("groups.jsonl")], "what was sampled is kept"

    result = location.train("dpo_policy")
    assert result.success
    assert len(result.get_asset_check_evaluations()) == 2
    resumed = location.latest("dpo_policy")
    report = resumed.read_json(REPORT)
    assert [record["step"] for record in report["training"]["log"]] == [1, 2, 3, 4]
    assert report["training"]["log"][0]["loss"] == pytest.approx(math.log(2)), "it begins as its own reference"
    assert 100 * report["training"]["adapter_rounding_kl"] < report["training"]["merge"]["adapter_kl"]
    assert str(location.home) not in (resumed.path / "adapter" / "adapter_config.json").read_text()

    assert location.train("dpo_policy").success, "and what the first left is removed, since it is recorded"
    assert location.latest("dpo_policy").files == resumed.files, "made in one go it is the same as resumed"


def test_the_pairs_are_in_the_artefact_and_on_the_page(location: Location) -> None:
    policy = location.latest("dpo_policy")
    counts = policy.read_json(REPORT)["pairs"]
    pairs = pq.read_table(policy.path / PREFERENCE_PAIRS).to_pylist()
    assert len(pairs) == counts["pairs"] == counts["prompts"] - counts["alike"] - len(counts["unfit"]) > 0
    assert counts["completions"] == 4 * counts["prompts"]
    assert all(pair["best_reward"] - pair["worst_reward"] >= location.profile.dpo.min_margin for pair in pairs)
    event = location.instance.get_latest_materialization_event(dg.AssetKey("dpo_policy"))
    assert event and event.asset_materialization
    shown = event.asset_materialization.metadata
    assert {row.data["count"]: row.data["value"] for row in shown["pair_counts"].records}["pairs"] == len(pairs)
    assert len(shown["first_pairs"].records) == min(20, len(pairs))
    assert {"rewards/margins", "rewards/accuracies"} <= set(shown["preference_log"].records[0].data)


def test_it_has_its_column_in_the_report(location: Location) -> None:
    """GRPO's policy and the leaderboard's scores are stand-ins: they are not what is tested."""

    variants = variant_models(location.profile)
    grpo = source("grpo_policy", lambda out: shutil.copytree(EMBEDDED, out / MODEL_FOLDER))
    assert location.make([grpo, *bfcl_stand_ins(location.profile)]).success
    upstream = [source(name, lambda out: None) for name in ("sharegpt_val", *variants.values())]
    definitions = [*upstream, *evaluation_assets(location.profile)]
    answered = location.make(definitions, *map(predictions_key, variants))
    assert answered.success, failures(answered)
    result = location.make(definitions, dg.AssetKey("eval_report"))
    assert result.success, failures(result)
    shown = result.get_asset_materialization_events()[0].materialization.metadata
    columns = [column.name for column in shown["comparison"].schema.columns]
    assert columns == ["metric", "Base", "SFT", "SFT+GRPO", "SFT+DPO"]
    assert 0 <= shown["parse_rate_dpo"].value <= 1
    report = location.latest("eval_report")
    assert "SFT to SFT+DPO" in (report.path / "report.md").read_text()
    assert report.inputs["predictions/dpo"]
