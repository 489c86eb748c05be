"""Profiles: the shipped ones load, the recipe's defaults hold, and what is wrong is named."""

from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, Field

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import Profile, load_profile, parse_profile, profile_names
from fc_assets.profiles.sections import Scheduler


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


def test_a_file_extends_a_profile_and_names_what_differs(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "extends: demo\nsft: {max_steps: 7, lora: {rank: 4}}\nbfcl: {categories: [java]}\n"
    )
    mine, demo = load_profile(str(tmp_path / "mine.yaml")), load_profile("demo")
    assert (mine.name, mine.sft.max_steps, mine.sft.lora.rank) == ("mine", 7, 4)
    assert mine.sft.lora.dropout == demo.sft.lora.dropout == 0.0
    assert mine.bfcl.categories == ("java",) and mine.bfcl.max_tokens == demo.bfcl.max_tokens
    assert mine.data == demo.data and mine.description != demo.description
    assert {"max_steps", "lora"} == {
        name for name, value in mine.sft.model_dump().items() if value != demo.sft.model_dump()[name]
    }


def test_files_extend_one_another_relative_to_themselves(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "ours.yaml").write_text("extends: gpu-12gb\nsft: {epochs: 2, learning_rate: 1.0e-4}\n")
    (tmp_path / "mine.yaml").write_text("extends: team/ours.yaml\ndescription: my own\nsft: {epochs: 1}\n")
    mine = load_profile(str(tmp_path / "mine.yaml"))
    assert (mine.name, mine.description) == ("mine", "my own")
    assert (mine.sft.epochs, mine.sft.learning_rate) == (1, 1e-4)
    assert mine.server == load_profile("gpu-12gb").server


@pytest.mark.parametrize(
    ("extends", "said"),
    [
        ("demmo", r"mine\.yaml extends 'demmo', which does not exist: write one of demo, gpu-12gb"),
        ("other.yaml", r"mine\.yaml extends other\.yaml extends mine\.yaml: a profile cannot extend itself"),
        ("list.yaml", r"mine\.yaml is not valid"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path: Path, extends: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(f"extends: {extends}\n")
    (tmp_path / "other.yaml").write_text("extends: mine.yaml\n")
    (tmp_path / "list.yaml").write_text("- demo\n")
    with pytest.raises(FcAssetsError, match=said):
        load_profile(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"description: caf\xe9", r"not text in UTF-8 \(byte 16\)"),
        (b"sft: " + b"[" * 1500, "nested too deeply"),
        (b"seed: 2026-99-99", "is not YAML"),
        (b"sft: [", "is not YAML"),
    ],
    ids=["another encoding", "deep", "no date", "half"],
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(FcAssetsError, match=said):
        load_profile(str(file))


@pytest.mark.parametrize(
    ("section", "field", "value", "said"),
    [
        ("benchmark", "quick_cron", "every night", "is no cron expression"),
        ("benchmark", "full_cron", "0 2 * *", "is no cron expression"),
        ("benchmark", "timezone", "Mars/Olympus", "is no time zone"),
        ("benchmark", "timezone", "../etc/passwd", "is no time zone"),
        ("sft", "scheduler", "cosinus", "should be 'constant', .*'cosine'"),
        ("sft", "max_steps", 0, "would train nothing"),
        ("dpo", "max_steps", -7, "would train nothing"),
        ("bfcl", "prompt_modes", [], "at least 1 item"),
        ("bfcl", "categories", [], "at least 1 item"),
        ("data", "rows", 10**20, "less than or equal to 10000000"),
        ("evaluation", "batch_size", 10**11, "less than or equal to 65536"),
        ("dpo", "sampling_batch", 10**11, "less than or equal to 65536"),
        ("sft", "micro_batch_tokens", 10**11, "less than or equal to 1000000000"),
    ],
)
def test_a_value_that_would_fail_late_or_run_for_ever_is_refused_by_name(
    section: str, field: str, value: object, said: str
) -> None:
    with pytest.raises(FcAssetsError, match=rf"{section}\.{field}: .*{said}"):
        parse_profile({"name": "x", "description": "", section: {field: value}}, "mine.yaml")


@pytest.mark.slow  # transformers takes seconds to load
def test_the_schedules_of_the_learning_rate_are_transformers_own() -> None:
    from transformers.trainer_utils import SchedulerType

    assert {*get_args(Scheduler)} <= {each.value for each in SchedulerType}


def undescribed(section: type[BaseModel], path: str = "") -> list[str]:
    """The fields without a description, those of the sections in it included."""
    found: list[str] = []
    for name, info in section.model_fields.items():
        if isinstance(info.default, BaseModel):
            found += undescribed(type(info.default), f"{path}{name}.")
        elif not (info.description or "").endswith("."):
            found.append(path + name)
    return found


def test_every_field_says_in_a_sentence_what_it_is() -> None:
    assert undescribed(Profile) == []


def test_a_field_without_a_description_is_found() -> None:
    class Bare(BaseModel):
        told: int = Field(1, description="Rows.")
        bare: int = 1

    class Whole(BaseModel):
        inner: Bare = Bare()

    assert undescribed(Whole) == ["inner.bare"]
