"""Promotion on a real instance: gates count only for the materialisation that is promoted."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.resources import latest_artifact
from fc_assets.profiles import parse_profile
from fc_assets.release.model_info import BYTES_PER_VALUE
from fc_assets.release.promotion import (
    LINEAGE,
    Gate,
    GateEvaluation,
    LineageNode,
    NotPromotableError,
    decide,
    trace,
)
from fc_assets_tests.support.lineage import CITIES, Home, asset_key, failure


@pytest.fixture
def home(tmp_path: Path) -> Home:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Home(tmp_path, instance)


def released(home: Home):
    return latest_artifact(home.instance, ArtifactStore(home.folder), dg.AssetKey("promoted_policy"))


def test_a_policy_whose_gates_passed_is_promoted(home: Home) -> None:
    assert home.run().success
    result = home.promote()
    assert result.success

    release = released(home)
    record = release.read_json("release.json")
    assert set(record["lineage"]) == set(LINEAGE)
    assert all(gate["met"] for gate in record["gates"])
    assert len(record["gates"]) == len(home.checks)
    assert record["override"] is None
    assert record["policy"]["digest"] == record["lineage"]["grpo_policy"]["digest"]
    assert {"metric", "variant", "value", "low", "high", "rows"} == set(record["metrics"][0])

    card = (release.path / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers")
    assert "| xlam_raw:gate |" in card
    assert "C: SFT + GRPO" in card
    assert "MIT" in card
    info = release.read_json("MODEL_INFO.json")
    assert info["parameters"] == 64 * 32 + 32 * 32
    assert info["kv_cache_bytes_per_token"] == 2 * 2 * 2 * 8 * BYTES_PER_VALUE[info["serving_dtype"]]
    tools = release.read_json("tools.json")
    assert [tool["function"]["name"] for tool in tools["openai"]] == ["get_weather", "ping"]
    assert tools["mcp"][0]["inputSchema"]["required"] == ["city"]
    canary = json.loads((release.path / "canary.json").read_text())
    assert [question["id"] for question in canary] == [f"row-{n}" for n in range(5)]

    metadata = result.asset_materializations_for_node("promoted_policy")[0].metadata
    assert metadata["gates_met"].value == len(home.checks)
    assert metadata["exact_match"].value == 1.0


def test_the_sums_cover_every_file_and_the_checkpoint_is_linked(home: Home) -> None:
    home.run()
    home.promote()
    release = released(home)
    listed = (release.path / "SHA256SUMS").read_text().splitlines()
    assert {line.split("  ")[1] for line in listed} == set(release.files) - {"SHA256SUMS"}
    subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release.path, check=True, capture_output=True
    )
    policy = latest_artifact(home.instance, ArtifactStore(home.folder), dg.AssetKey("grpo_policy"))
    weights = release.path / "model" / "model.safetensors"
    assert os.path.samefile(weights, policy.path / "model" / "model.safetensors")


def test_promoting_the_same_policy_again_gives_the_same_digest(home: Home) -> None:
    home.run()
    home.promote()
    first = released(home).digest
    home.judge("xlam_raw", "eval_report")
    home.promote()
    assert released(home).digest == first


def test_every_unmet_gate_is_listed_at_once(home: Home) -> None:
    home.run()
    home.failing = {"xlam_raw", "bfcl_scores/grpo"}
    home.judge("xlam_raw", "bfcl_scores/grpo")
    home.remake("grpo_policy")  # judged again, but what was made from it is not
    result = home.promote()
    assert not result.success
    message = failure(result)
    assert "xlam_raw:gate failed: xlam_raw measured 0.5" in message
    assert "bfcl_scores/grpo:gate failed" in message


def test_a_failed_gate_that_passes_when_run_again_alone_promotes(home: Home) -> None:
    home.failing = {"eval_report"}
    home.run()
    assert "eval_report:gate failed" in failure(home.promote())
    home.failing = set()
    assert home.judge("eval_report").success
    assert home.promote().success


def test_a_gate_that_passed_for_an_older_materialisation_does_not_count(home: Home) -> None:
    home.run()
    # The same bytes once more, without its gate: Dagster holds another materialisation, which nobody has judged.
    alone = dg.AssetSelection.assets("lora_adapter").without_checks()
    assert home.run(alone).success
    message = failure(home.promote())
    assert "lora_adapter:gate has not judged the present materialisation" in message
    home.judge("lora_adapter")
    assert home.promote().success


def test_a_gate_that_never_ran_is_unmet(home: Home) -> None:
    lineage = dg.AssetSelection.assets(*(asset_key(name) for name in LINEAGE))
    home.run(lineage.without_checks())
    message = failure(home.promote())
    assert message.count("has never run") == len(home.checks)


def test_a_report_on_another_policy_is_refused_even_by_hand(home: Home) -> None:
    home.run()
    home.salt["grpo_policy"] = "another"
    home.remake("grpo_policy")
    message = failure(home.promote(override_reason="I know better"))
    assert "predictions/grpo was made from grpo_policy" in message
    assert "bfcl_scores/grpo was made from grpo_policy" in message


def test_an_override_is_recorded_and_shown(home: Home) -> None:
    home.run()
    home.failing = {"bfcl_scores/grpo"}
    home.judge("bfcl_scores/grpo")
    assert not home.promote(override_reason="   ").success
    assert home.promote(override_reason="known flaky category").success
    release = released(home)
    assert release.read_json("release.json")["override"] == {
        "reason": "known flaky category",
        "unmet": ["bfcl_scores/grpo:gate"],
    }
    assert "Promoted by hand although gates were unmet" in (release.path / "README.md").read_text()


def test_no_secret_reaches_the_release(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hf_" + hashlib.sha256(b"secret").hexdigest()
    for name in ("HF_TOKEN", "FC_API_KEY", "WANDB_API_KEY"):
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("FC_NOTIFY_URLS", f"slack://{secret}/a/b json://user:{secret}@127.0.0.1:9/hook")
    values = home.profile.model_dump()
    values["server"]["api_url"] = f"http://somebody:{secret}@127.0.0.1:9"
    home.profile = parse_profile(values, "test")
    home.run()
    result = home.promote()
    assert result.success
    files = [path for path in released(home).path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert secret not in str(result.all_events)


def node(name: str, **inputs: str) -> LineageNode:
    return LineageNode(name, f"digest of {name}", 1, inputs)


def test_trace_follows_inputs_beyond_the_known_names() -> None:
    nodes = {"eval_report": node("eval_report", extra="digest of extra"), "extra": node("extra")}
    assert set(trace(nodes.get)) == {"eval_report", "extra"}


def test_a_gap_in_the_lineage_is_a_contradiction() -> None:
    lineage = {name: node(name) for name in LINEAGE}
    decision = decide(lineage, {}, [], {})
    with pytest.raises(
        NotPromotableError, match="neither eval_report nor grpo_policy was made from the present xlam_raw"
    ):
        decision.require()


def test_an_artefact_replaced_during_the_promotion_is_refused() -> None:
    lineage = {"grpo_policy": node("grpo_policy")}
    decision = decide(lineage, {"grpo_policy": "older digest"}, [], {})
    assert any("materialised again while it was being promoted" in problem for problem in decision.contradictions)


def test_a_planned_evaluation_is_unmet() -> None:
    gate = Gate("grpo_policy", "gate")
    decision = decide({"grpo_policy": node("grpo_policy")}, {}, [gate], {gate: GateEvaluation(None, None)})
    assert "was planned and has not ended" in decision.unmet[0].unmet


def test_gates_outside_the_lineage_have_no_say() -> None:
    gate = Gate("benchmark_matrix", "gate")
    assert not decide({}, {}, [gate], {}).gates


def test_enough_canaries(home: Home) -> None:
    assert home.profile.deployment.canary_rows < len(CITIES)
