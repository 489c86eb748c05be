"""Promotion on a real instance: gates count only for the materialisation that is promoted."""

import hashlib
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.resources import latest_artifact
from fc_assets.foundation.thresholds import Kind, Threshold
from fc_assets.profiles import parse_profile
from fc_assets.release import assets
from fc_assets.release.checks import promoted_without_override
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
from fc_assets.release.record import RECORD_FORMAT, read_record
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


@pytest.mark.sees_red("promoted_without_override")
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
    verdict = promoted_without_override(release)
    assert not verdict.passed and verdict.description == "Promoted by hand: known flaky category"


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


def test_a_lineage_of_which_nothing_is_asked_is_refused_even_by_hand() -> None:
    lineage = {name: node(name) for name in LINEAGE}
    assert not any("no gate" in each for each in decide(lineage, {}, [Gate("xlam_raw", "gate")], {}).contradictions)
    with pytest.raises(NotPromotableError, match="no gate judges the lineage: load the code location with its checks"):
        decide(lineage, {}, [Gate("benchmark_matrix", "gate")], {}).require("a reason")


def test_an_artefact_replaced_during_the_promotion_is_refused() -> None:
    lineage = {"grpo_policy": node("grpo_policy")}
    decision = decide(lineage, {"grpo_policy": "older digest"}, [], {})
    assert any("materialised again while it was being promoted" in problem for problem in decision.contradictions)


def test_gates_outside_the_lineage_have_no_say() -> None:
    gate = Gate("benchmark_matrix", "gate")
    assert not decide({}, {}, [gate], {}).gates


def test_enough_canaries(home: Home) -> None:
    assert home.profile.deployment.canary_rows < len(CITIES)


def test_a_release_says_what_made_each_asset_and_not_what_the_promoting_run_is_set_to(home: Home) -> None:
    made = {"sft": {"epochs": 2.0, "max_steps": -1, "lora": {"rank": 4}}, "grpo": {"steps": 8, "learning_rate": 3e-5}}
    assert home.run(profile=made).success
    assert home.promote(deployment={"canary_rows": 3}).success
    release = released(home)
    record, card = release.read_json("release.json"), (release.path / "README.md").read_text()

    assert set(record["settings"]) == set(LINEAGE)
    assert record["settings"]["grpo_policy"]["grpo"]["steps"] == 8 != home.profile.grpo.steps
    assert record["settings"]["lora_adapter"]["sft"]["lora"]["rank"] == 4 != home.profile.sft.lora.rank
    assert set(record["settings"]["grpo_policy"]) == {"grpo", "data", "base_model"}
    assert record["profile"] == ["demo"]
    server = home.profile.server
    assert record["promoting_run"] == {
        "profile": "demo",
        "settings": {
            "deployment": {"canary_rows": 3},
            "server": {
                "dtype": server.dtype,
                "max_model_len": server.max_model_len,
                "max_num_seqs": server.max_num_seqs,
            },
        },
    }
    assert "| length | 2 epochs | 8 steps |" in card
    assert f"| learning rate | {home.profile.sft.learning_rate:g} | 3e-05 |" in card
    assert f"| LoRA rank | 4 | {home.profile.grpo.lora.rank} |" in card
    assert "made with profile demo" in card and "all settings" not in card


def test_a_record_of_another_form_is_refused_by_name(home: Home, tmp_path: Path) -> None:
    home.run()
    home.promote()
    release = released(home)
    assert read_record(release).format == RECORD_FORMAT
    old = tmp_path / "old"
    old.mkdir()
    (old / "release.json").write_text(json.dumps({"format": 1, "profile": {"name": "demo"}}))
    with pytest.raises(FcAssetsError, match="has format 1, this code reads 2: materialise promoted_policy again"):
        read_record(replace(release, path=old))


LENIENT = {"gates": {"sft": {"parse_rate": 0.1}}}


def test_a_gate_judged_by_a_more_lenient_bar_is_unmet(home: Home) -> None:
    home.run()
    assert home.judge("eval_report", **LENIENT).success
    for overridden in ({}, LENIENT):  # what the promoting run overrides does not count
        assert (
            "eval_report:gate was judged with gates.sft.parse_rate 0.1, the location asks for at least 0.9: "
            "run the check again with the location's settings" in failure(home.promote(**overridden))
        )
    home.judge("eval_report")
    assert home.promote().success


def test_a_bar_of_the_other_direction_is_lenient_when_it_is_higher(home: Home) -> None:
    home.run()
    home.judge("lora_adapter", gates={"max_overlong_share": 0.5})
    said = failure(home.promote())
    assert "lora_adapter:gate was judged with gates.max_overlong_share 0.5, the location asks for at most 0.02" in said


def test_a_stricter_bar_is_fine_and_recorded(home: Home) -> None:
    home.run()
    home.judge("eval_report", gates={"sft": {"parse_rate": 0.99}})
    home.judge("lora_adapter", gates={"max_overlong_share": 0.001})
    result = home.promote()
    assert result.success
    bars = {gate["asset"]: gate["bar"] for gate in released(home).read_json("release.json")["gates"]}
    assert bars["eval_report"] == {
        "setting": "gates.sft.parse_rate",
        "kind": "at_least",
        "threshold": 0.99,
        "source": "run",
        "asked": 0.9,
    }
    assert bars["lora_adapter"]["source"] == "run" and bars["xlam_raw"] is None
    card = (released(home).path / "README.md").read_text()
    assert "| passed | gates.sft.parse_rate at least 0.99 (the location: at least 0.9) |" in card
    rows = result.asset_materializations_for_node("promoted_policy")[0].metadata["gates"].records
    shown = {row.data["gate"]: row.data["bar"] for row in rows}
    assert shown["eval_report:gate"] == "gates.sft.parse_rate at least 0.99" and shown["xlam_raw:gate"] == ""


def test_a_lenient_bar_needs_a_reason_and_shows_in_the_release(home: Home) -> None:
    home.run()
    home.judge("eval_report", **LENIENT)
    assert home.promote(override_reason="a demo for a fair").success
    record = released(home).read_json("release.json")
    assert record["override"]["unmet"] == ["eval_report:gate"]
    (bar,) = [gate["bar"] for gate in record["gates"] if gate["asset"] == "eval_report"]
    assert (bar["threshold"], bar["source"], bar["asked"]) == (0.1, "run", 0.9)
    card = (released(home).path / "README.md").read_text()
    assert "gates.sft.parse_rate at least 0.1 (the location: at least 0.9)" in card


def test_a_gate_of_the_locations_own_bar_says_so(home: Home) -> None:
    home.run()
    home.promote()
    bars = {gate["asset"]: gate["bar"] for gate in released(home).read_json("release.json")["gates"]}
    assert (bars["eval_report"]["source"], bars["eval_report"]["threshold"]) == ("location", 0.9)
    assert "| passed | gates.sft.parse_rate at least 0.9 |" in (released(home).path / "README.md").read_text()


def test_a_gate_that_hides_its_bar_is_unmet(home: Home) -> None:
    home.without_bar = {"eval_report"}
    home.run()
    assert (
        "eval_report:gate does not say that it was judged by gates.sft.parse_rate (at least 0.9): run the check again"
        in failure(home.promote())
    )


def test_a_gate_judged_by_another_setting_is_unmet() -> None:
    asked = Threshold("gates.sft.parse_rate", Kind.AT_LEAST, 0.9)
    gate = Gate("eval_report", "sft_parse_rate", asked)
    other = {"threshold": 1.0, "threshold_setting": "gates.sft.exec_rate", "threshold_kind": "at_least"}
    evaluation = GateEvaluation(passed=True, target=1, values=other)
    decision = decide({"eval_report": node("eval_report")}, {}, [gate], {gate: evaluation})
    assert "does not say that it was judged by gates.sft.parse_rate" in decision.unmet[0].unmet


# A value that no profile may have: the run fails before any of its checks.
MISTYPED = {"sft": {"epochs": -1.0}}


def test_a_run_that_failed_before_its_check_leaves_the_earlier_verdict(home: Home) -> None:
    home.run()
    attempt = home.judge("lora_adapter", "eval_report", **MISTYPED)
    assert not attempt.success and not attempt.get_asset_check_evaluations()
    assert home.promote().success


def test_a_run_that_failed_before_its_check_does_not_heal_a_failed_gate(home: Home) -> None:
    home.run()
    home.failing = {"lora_adapter"}
    home.judge("lora_adapter")
    home.failing = set()
    home.judge("lora_adapter", **MISTYPED)
    assert "lora_adapter:gate failed" in failure(home.promote())


def test_a_failed_run_after_a_new_materialisation_leaves_the_gate_unmet(home: Home) -> None:
    home.run()
    assert home.run(dg.AssetSelection.assets("lora_adapter").without_checks()).success
    home.judge("lora_adapter", **MISTYPED)
    assert "lora_adapter:gate has not judged the present materialisation" in failure(home.promote())


def test_a_gate_whose_only_run_failed_has_never_run(home: Home) -> None:
    lineage = dg.AssetSelection.assets(*(asset_key(name) for name in LINEAGE))
    home.run(lineage.without_checks())
    home.judge("lora_adapter", **MISTYPED)
    assert "lora_adapter:gate has never run" in failure(home.promote())


def test_a_deleted_run_leaves_the_earlier_verdict(home: Home) -> None:
    home.run()
    attempt = home.judge("lora_adapter", **MISTYPED)
    home.instance.delete_run(attempt.run_id)
    assert home.promote().success


def test_a_gate_that_is_being_judged_again_is_pending(home: Home) -> None:
    home.run()
    promotions = []
    home.while_judged["lora_adapter"] = lambda: promotions.append(home.promote())
    judging = home.judge("lora_adapter")
    (during,) = promotions
    assert f"lora_adapter:gate is pending, its run {judging.run_id} is under way: wait for it" in failure(during)
    assert judging.success and home.promote().success


def test_many_failed_runs_are_all_looked_through(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "_PAGE", 2)
    home.run()
    for _ in range(4):
        home.judge("lora_adapter", **MISTYPED)
    assert home.promote().success
