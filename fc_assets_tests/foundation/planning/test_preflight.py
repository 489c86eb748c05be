"""What is refused before any data is read, on machines that are not there; and that what is advised instead fits."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.gpu import UnknownCard
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.planning.fit import fitting, shortages
from fc_assets.foundation.planning.knobs import grpo_knobs, server_knobs, sft_knobs
from fc_assets.foundation.planning.machine import Machine, this_machine
from fc_assets.foundation.planning.needs import grpo_need, server_need, sft_need
from fc_assets.foundation.planning.preflight import require_grpo, require_merge, require_sft, server_refusal
from fc_assets.foundation.planning.shape import QWEN3_0_6B as SHAPE
from fc_assets.profiles import Profile, load_profile
from fc_assets_tests.support import qwen3
from fc_assets_tests.support.machines import machine


class Said:
    """What a step would log."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def info(self, message: str) -> None:
        pass

    def warning(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of Qwen3-0.6B, of which only the configuration is there: nothing else may be read."""
    folder = tmp_path_factory.mktemp("model")
    write_json(folder / "config.json", qwen3.config().to_dict())
    return folder


def require_all(profile: Profile, model: Path, on: Machine, log: Said | None = None) -> None:
    said = log or Said()
    require_sft(model, profile.sft, on, said)
    require_merge(model, profile.sft, on, said)
    require_grpo(model, profile.grpo, on, said)
    assert server_refusal(model, profile.server, on) is None


@pytest.mark.parametrize(("profile", "gib"), [("gpu-12gb", 12), ("gpu-80gb", 80)])
def test_the_profiles_fit_the_cards_that_they_are_called_after(profile: str, gib: int, model: Path) -> None:
    said = Said()
    require_all(load_profile(profile), model, machine(gib), said)
    assert said.warnings == []


def test_a_sequence_that_the_kv_cache_cannot_hold_is_refused(model: Path) -> None:
    """vLLM would take the whole context of the model, 40,960 tokens, and end after a minute of loading."""
    whole = load_profile("gpu-12gb").grpo.model_copy(update={"max_prompt": 40_704, "micro_batch_tokens": 40_960})
    with pytest.raises(FcAssetsError, match=r"KV cache would hold 21049 tokens, and one sequence may have 40960"):
        require_grpo(model, whole, machine(12), Said())


def test_80_gb_do_not_hold_16_long_rows_without_checkpointing(model: Path) -> None:
    old = load_profile("gpu-80gb").sft.model_copy(update={"micro_batch_tokens": 16 * 2048, "max_length": 2048})
    with pytest.raises(FcAssetsError, match=r"with sft\.\w+ = \w+ it fits"):
        require_sft(model, old, machine(80), Said())


def test_a_refusal_is_one_sentence_with_need_have_and_what_fits(model: Path) -> None:
    large = load_profile("gpu-80gb").sft
    with pytest.raises(FcAssetsError) as refused:
        require_sft(model, large, machine(8), Said())
    said = str(refused.value)
    assert said == (
        "SFT does not fit this machine: it needs 45.0 GB of the card's memory and 8.4 GB are free (Test card); "
        "with sft.gradient_checkpointing = true it fits"
    )
    require_sft(model, large.model_copy(update={"gradient_checkpointing": True}), machine(8), Said())


def test_memory_disk_and_driver_are_checked_too(model: Path) -> None:
    profile = load_profile("gpu-12gb")
    with pytest.raises(FcAssetsError, match=r"Merging .* of main memory and 4\.0 GB are free"):
        require_merge(model, profile.sft, machine(12, ram_gb=4), Said())
    with pytest.raises(FcAssetsError, match=r"of disk and 0\.5 GB are free where the home lies"):
        require_sft(model, profile.sft, machine(12, disk_gb=0.5), Said())
    with pytest.raises(FcAssetsError, match=r"driver 580 or newer \(CUDA 13\), and this one is 535\.54"):
        require_sft(model, profile.sft, machine(12, driver="535.54"), Said())


def test_a_server_that_cannot_hold_one_sequence_is_refused_on_a_card_and_without(model: Path) -> None:
    settings = load_profile("gpu-12gb").server.model_copy(update={"max_model_len": 40_960})
    said = server_refusal(model, settings.model_copy(update={"gpu_memory_share": 0.4}), machine(12))
    assert said is not None and said.endswith("with server.gpu_memory_share = 0.53 it fits")
    on_cpu = settings.model_copy(update={"device": "cpu"})
    said = server_refusal(model, on_cpu, machine())
    assert said is not None and "KV cache would hold 37449 tokens" in said and "server.max_model_len" in said


def test_without_a_card_main_memory_is_what_counts(model: Path) -> None:
    profile = load_profile("gpu-12gb")
    require_sft(model, profile.sft, machine(), Said())
    with pytest.raises(FcAssetsError, match=r"of main memory and 3\.0 GB are free"):
        require_sft(model, profile.sft, machine(ram_gb=3), Said())


def test_a_card_that_tells_nothing_is_a_warning(model: Path) -> None:
    said = Said()
    divided = Machine(UnknownCard("the card is divided (MIG)"), 32 * 10**9, 500 * 10**9)
    require_all(load_profile("gpu-12gb"), model, divided, said)
    assert said.warnings and all("the card is divided (MIG)" in warning for warning in said.warnings)


def test_this_machine_is_found_out_where_the_home_is_not_there_yet(tmp_path: Path) -> None:
    found = this_machine(tmp_path / "not" / "yet")
    assert found.ram > 0 and found.disk > 0


CARDS = st.floats(3, 96)
A_FEW = settings(deadline=None, max_examples=25)


@A_FEW
@given(CARDS, st.sampled_from(["gpu-12gb", "gpu-80gb"]), st.integers(1024, 65_536), st.booleans())
def test_settings_that_are_advised_for_sft_fit(gib: float, profile: str, tokens: int, checkpointing: bool) -> None:
    wanted = load_profile(profile).sft.model_copy(
        update={"micro_batch_tokens": tokens, "gradient_checkpointing": checkpointing}
    )
    on = machine(gib)
    fits = _fits(sft_need, on)
    advised = fitting(wanted, sft_knobs(), fits)
    assert advised is None or fits(advised)
    assert advised is not None or gib < 4, "3 GB hold a row of 512 tokens"


@A_FEW
@given(CARDS, st.sampled_from(["gpu-12gb", "gpu-80gb"]), st.floats(0.05, 0.9), st.integers(512, 16_384))
def test_settings_that_are_advised_for_grpo_fit(gib: float, profile: str, share: float, prompt: int) -> None:
    wanted = load_profile(profile).grpo.model_copy(update={"vllm_memory_share": share, "max_prompt": prompt})
    on = machine(gib)
    fits = _fits(grpo_need, on)
    advised = fitting(wanted, grpo_knobs(SHAPE, on), fits)
    assert advised is None or fits(advised)
    assert advised is not None or gib < 5


@A_FEW
@given(CARDS, st.floats(0.05, 1.0), st.integers(512, 40_960))
def test_settings_that_are_advised_for_a_server_fit(gib: float, share: float, length: int) -> None:
    wanted = load_profile("gpu-12gb").server.model_copy(update={"gpu_memory_share": share, "max_model_len": length})
    on = machine(gib)
    fits = _fits(server_need, on)
    advised = fitting(wanted, server_knobs(SHAPE, on), fits)
    assert advised is None or fits(advised)
    assert advised is not None or gib < 4


def _fits(need: Callable[..., object], on: Machine) -> Callable[[object], bool]:
    return lambda tried: not shortages(need(SHAPE, tried, on.card), on)
