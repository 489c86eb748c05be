"""What trainers leave behind: a log without times, what the run took, and an adapter that is always spelt alike."""

import json
from pathlib import Path

from peft import get_peft_model
from transformers import AutoModelForCausalLM

from fc_assets.profiles import EMBEDDED, LoraSettings
from fc_assets.training.jobs import CheckpointSource
from fc_assets.training.trainer.arguments import lora_config
from fc_assets.training.trainer.checkpoints import save_adapter
from fc_assets.training.trainer.running import TrainingRun


def test_what_differs_from_attempt_to_attempt_is_no_part_of_the_log() -> None:
    log = [{"step": 1, "reward": 0.5, "step_time": 2.5, "num_tokens": 7.0}, {"train_runtime": 9.0}]
    run = TrainingRun(log, steps=1, seconds=3.0)
    assert [list(record.items()) for record in run.logged("reward")] == [[("reward", 0.5), ("step", 1)]]
    cost = run.cost()
    assert (cost.seconds, cost.step_seconds) == (3.0, [2.5])
    assert cost.host and cost.peak_rss_mb > 10


def test_an_adapter_names_its_modules_in_one_order(tmp_path: Path) -> None:
    """peft holds them as a set, whose order differs from one process to the next."""
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(EMBEDDED), lora_config(LoraSettings(rank=2)))
    save_adapter(model, CheckpointSource(name="the base", revision="", source="hub"), tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "the base"
    assert len(config["target_modules"]) == 7 and config["target_modules"] == sorted(config["target_modules"])
