"""The trainers for real on the embedded model: what they make, and what happens when one is killed."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest
from peft import PeftConfig, PeftModel

from fc_assets.calls.conversations import read_turns
from fc_assets.data.assets import ASSETS as DATA
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.names import REPORT, RUN_COST
from fc_assets.profiles import Profile, load_profile
from fc_assets.training.assets import ASSETS as TRAINING
from fc_assets.training.assets import TRAIN_FILE
from fc_assets.training.merging.adapters import largest_difference, logits
from fc_assets.training.trainer.checkpoints import load_checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def profile() -> Profile:
    demo = load_profile("demo")
    return demo.model_copy(
        update={
            "data": demo.data.model_copy(update={"rows": 300, "broken_rows": 1}),
            "sft": demo.sft.model_copy(update={"max_steps": 8, "save_every": 2, "log_every": 1}),
            "grpo": demo.grpo.model_copy(update={"steps": 3, "save_every": 1, "generations": 4, "prompts_per_step": 4}),
        }
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def materialize(profile: Profile, home: Path, instance: dg.DagsterInstance, *names: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [*DATA, *TRAINING],
        selection=list(names),
        resources=build_resources(profile, home),
        instance=instance,
        raise_on_error=False,
    )


def output(result: dg.ExecuteInProcessResult, name: str) -> Artifact:
    assert result.success, [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return result.output_for_node(name)


def kill_once_it_has_saved(home: Path) -> threading.Thread:
    """Kill the SFT process as soon as its first checkpoint is whole."""

    def work() -> None:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            if list((home / "resume" / "lora_adapter").rglob("checkpoint-*/trainer_state.json")):
                for process in psutil.Process().children(recursive=True):
                    line = process.cmdline()
                    if "fc_assets.training.sft.sft_job" in line and "processes.py" not in " ".join(line):
                        os.kill(process.pid, signal.SIGKILL)
                return
            time.sleep(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_killed_trainer_says_so_and_the_next_run_goes_on(
    profile: Profile, home: Path, instance: dg.DagsterInstance
) -> None:
    assert materialize(profile, home, instance, "xlam_raw", "sharegpt_train", "sharegpt_val", "base_model").success
    killer = kill_once_it_has_saved(home)
    result = materialize(profile, home, instance, "lora_adapter")
    killer.join()
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert (
        "fc_assets.training.sft.sft_job was killed by signal 9"
        in failure.event_specific_data.user_failure_data.description
    )
    assert list((home / "staging").iterdir()) == []
    assert not (home / "artifacts" / "lora_adapter").exists()

    adapter = output(materialize(profile, home, instance, "lora_adapter"), "lora_adapter")
    report = adapter.read_json(REPORT)
    assert report["steps"] == 8
    assert json.loads((adapter.path / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"] == (
        "fc-assets/demo-qwen3"
    ), "the model that it was trained on, whatever the profile calls the one on the hub"
    (records,) = (home / "records" / "lora_adapter" / adapter.digest[:16]).iterdir()
    assert json.loads((records / RUN_COST).read_text())["seconds"] > 0
    assert [record["step"] for record in report["log"]] == list(range(1, 9)), "the log goes on where it was cut"
    log = max(
        (home / "logs").rglob("fc_assets.training.sft.sft_job.log"), key=lambda path: path.stat().st_mtime
    ).read_text()
    assert [span["text"].startswith("<think>") for span in report["learnt_spans"]] == [True] * 10
    assert not [path for path in (home / "resume").rglob("*") if path.is_file()], log[-2000:]
    again = output(materialize(profile, home, instance, "lora_adapter"), "lora_adapter")
    assert again.files == adapter.files, "made in one go it is the same as resumed"


def test_merge_and_grpo_make_checkpoints_that_stand_alone(
    profile: Profile, home: Path, instance: dg.DagsterInstance
) -> None:
    merged = output(materialize(profile, home, instance, "merged_model"), "merged_model")
    report = merged.read_json(REPORT)
    assert report["max_logit_difference"] <= profile.sft.max_merge_logit_difference
    assert report["adapter_effect"] > 100 * report["max_logit_difference"]
    policy = output(materialize(profile, home, instance, "grpo_policy"), "grpo_policy")
    assert (policy.path / "adapter" / "adapter_model.safetensors").is_file()
    for folder in (merged.path / "model", policy.path / "model"):
        config = json.loads((folder / "config.json").read_text())
        assert config["architectures"] == ["Qwen3ForCausalLM"]
        assert not list(folder.glob("*.bin")) and not list(folder.glob("*.pt"))
    assert merged.files["model/model.safetensors"] != policy.files["model/model.safetensors"]
    report = policy.read_json(REPORT)
    assert [record["step"] for record in report["log"]] == [1, 2, 3]
    assert report["last_samples"]
    text = " ".join(path.read_text(errors="ignore") for path in policy.path.rglob("*.json"))
    assert str(home) not in text, "an artefact names a folder of this machine"


def test_the_base_that_it_names_and_the_published_adapter_are_the_policy(
    profile: Profile, home: Path, instance: dg.DagsterInstance
) -> None:
    """Who has the base and `grpo_policy/adapter` has the policy: SFT is in it, and no part of this machine."""
    runtime = Runtime(ArtifactStore(home), profile)
    base, sft, policy, train = (
        runtime.latest(instance, dg.AssetKey(name))
        for name in ("base_model", "lora_adapter", "grpo_policy", "sharegpt_train")
    )
    assert {**policy.inputs, "base_model": base.digest, "lora_adapter": sft.digest} == dict(policy.inputs)
    for adapter in (sft.path / "adapter", policy.path / "adapter"):
        label = PeftConfig.from_pretrained(str(adapter))
        assert (label.base_model_name_or_path, label.revision) == (base.read_json(REPORT)["name"], None)

    model, tokenizer = load_checkpoint(base.path / "model", bf16=False)
    turns = read_turns(train.path / TRAIN_FILE)
    wanted = logits(load_checkpoint(policy.path / "model", bf16=False)[0], tokenizer, turns)
    of_the_base = logits(load_checkpoint(base.path / "model", bf16=False)[0], tokenizer, turns)
    found = logits(PeftModel.from_pretrained(model, str(policy.path / "adapter")), tokenizer, turns)
    assert largest_difference(found, wanted) <= 1e-3 < largest_difference(of_the_base, wanted) / 100
    assert policy.read_json(REPORT)["adapter_difference"] <= 1e-3
