"""`fc-assets rehearse`: refused where it cannot fit, and really run on the embedded model and at the true shape."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from fc_assets.profiles import load_profile
from fc_assets.rehearsal.cli import rehearse_and_print
from fc_assets.rehearsal.stages import plan
from fc_assets.training.jobs import ComparedTurns
from fc_assets_tests.support.machines import machine

STAGES = ("SFT", "merge", "GRPO", "server")


def test_what_does_not_fit_is_refused_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert rehearse_and_print(load_profile("gpu-80gb"), machine(8), 1) == 1
    printed = capsys.readouterr().out
    assert "nothing was started" in printed
    assert "SFT does not fit this machine" in printed and "with sft.gradient_checkpointing = true it fits" in printed
    assert "GRPO does not fit this machine" in printed


def test_on_a_card_only_the_number_of_steps_differs() -> None:
    profile = load_profile("gpu-12gb")
    tried = plan(profile, machine(12), 1)
    assert not tried.shortened
    for section in ("sft", "grpo"):
        own, other = getattr(profile, section), getattr(tried.profile, section)
        for field in ("max_length", "max_prompt", "max_completion", "micro_batch_tokens", "gradient_checkpointing"):
            assert getattr(own, field, None) == getattr(other, field, None)
    assert tried.profile.server == profile.server


def test_without_a_card_a_card_s_profile_is_tried_small_and_the_demo_as_it_is() -> None:
    small = plan(load_profile("gpu-12gb"), machine(), 2)
    assert (small.layers, small.shortened) == (2, True)
    assert not small.profile.sft.bf16 and not small.profile.grpo.bf16, "too slow without instructions for it"
    demo = plan(load_profile("demo"), machine(), 2)
    assert demo.layers == 0 and demo.compared == ComparedTurns(), "its merges are compared as in the real run"


def rehearsed(profile: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    status = rehearse_and_print(load_profile(profile), machine(), 1)
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"
    return status


def test_a_rehearsal_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fc_assets.cli", "rehearse", "--profile", "demo"]
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob("fc_assets.rehearsal.*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    time.sleep(0.01)
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    assert list(tmp_path.glob("fc_assets.rehearsal.*")) == []


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.timeout(900)
def test_the_demo_is_rehearsed_with_every_stage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rehearsed("demo", monkeypatch, tmp_path) == 0
    printed = capsys.readouterr().out
    assert all(f"{stage}: ended after" in printed for stage in STAGES)


@pytest.mark.long
@pytest.mark.vllm
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("profile", ["gpu-12gb", "gpu-80gb"])
def test_a_card_s_profile_is_rehearsed_on_a_cpu_at_the_true_shape(
    profile: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rehearsed(profile, monkeypatch, tmp_path) == 0
    printed = capsys.readouterr().out
    assert "There is no card: 1 layers of Qwen3-0.6B's true shape" in printed
    assert all(f"{stage}: ended after" in printed for stage in STAGES)
