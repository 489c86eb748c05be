"""Profiles: the shipped ones load, the recipe's defaults hold, and what is wrong is named."""

from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import load_profile, parse_profile, profile_names


def test_the_shipped_profiles_load() -> None:
    assert profile_names() == ["demo", "gpu-12gb", "gpu-80gb"]
    for name in profile_names():
        assert load_profile(name).name == name


def test_the_gpu_profile_is_the_recipe() -> None:
    profile = load_profile("gpu-12gb")
    assert profile.base_model.model == "Qwen/Qwen3-0.6B"
    lora = profile.sft.lora
    assert (lora.rank, lora.alpha, lora.dropout, lora.target_modules) == (32, 64, 0.05, "all-linear")
    assert (profile.sft.rows_per_step, profile.sft.micro_batch_tokens) == (16, 4096)
    assert (profile.sft.learning_rate, profile.sft.epochs, profile.sft.scheduler) == (2e-4, 3, "cosine")
    assert profile.sft.bf16
    assert (profile.data.validation_share, profile.data.seed) == (0.1, 42)
    weights = profile.grpo.rewards.model_dump()
    assert [weights[name] for name in ("json_parse", "schema_hit", "simulated_exec", "semantic_match")] == [0.25] * 4
    assert profile.benchmark.concurrency == (1, 2, 4, 8, 16, 32)
    assert profile.benchmark.context_lengths == (256, 1024, 2048, 4096)
    sft, grpo = profile.gates.sft, profile.gates.grpo
    assert [*sft.model_dump().values()] == [0.95, 0.90, 0.85, 0.88, 0.80, 0.60]
    assert [*grpo.model_dump().values()] == [0.97, 0.93, 0.90, 0.92, 0.88, 0.60]


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FC_PROFILE", raising=False)
    assert load_profile().name == "demo"
    monkeypatch.setenv("FC_PROFILE", "gpu-80gb")
    assert load_profile().name == "gpu-80gb"


def test_every_mistake_is_named_at_once() -> None:
    values = {"name": "x", "description": "", "sft": {"lerning_rate": 1e-4, "rows_per_step": 0}, "evaluaton": {}}
    with pytest.raises(FcAssetsError) as caught:
        parse_profile(values, "mine.yaml")
    message = str(caught.value)
    assert "mine.yaml" in message
    assert "sft.lerning_rate: unknown key" in message
    assert "evaluaton: unknown key" in message
    assert "sft.rows_per_step" in message


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(FcAssetsError, match=r"'gpu-9000'.*demo, gpu-12gb, gpu-80gb"):
        load_profile("gpu-9000")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\ndescription: my own\nsft: {max_steps: 7}\n")
    assert load_profile(str(file)).sft.max_steps == 7
    file.write_text("name: demo\ndescription: a copy\n")
    with pytest.raises(FcAssetsError, match=r"mine.yaml has the name 'demo'.*write `name: mine`"):
        load_profile(str(file))
    file.write_text("name: [mine\n")
    with pytest.raises(FcAssetsError, match="not YAML"):
        load_profile(str(file))
