"""Which columns there are, what is missing, and engines that start one after the other and end together."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fc_assets.edge.conversion.checkpoint import read_checkpoint
from fc_assets.edge.conversion.writer import write_gguf
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.gpu import Card
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.planning.preflight import server_refusal
from fc_assets.names import BASE_MODEL, GGUF_ARTIFACTS, gguf_file
from fc_assets.playground import engines
from fc_assets.playground.engines import GGUF, GgufModel, Lineup, ServedVariant, lineup, server_settings
from fc_assets.profiles import EMBEDDED, EdgeSettings, Profile, load_profile
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.server import ServerError
from fc_assets_tests.playground.conftest import publish
from fc_assets_tests.support import qwen3
from fc_assets_tests.support.machines import machine

QUESTION = [{"role": "user", "content": "Please lift 5."}]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def started(found: Lineup) -> Lineup:
    found.start()
    until(lambda: not any(player.state in ("waiting", "starting") for player in found.players))
    return found


def test_a_column_for_each_variant_and_what_is_missing_in_a_sentence(store: ArtifactStore, profile: Profile) -> None:
    found = lineup(store, profile)
    assert [(player.label, player.state) for player in found.players] == [
        ("Base", "waiting"),
        ("SFT", "waiting"),
        ("SFT+GRPO", "waiting"),
        ("GGUF", "missing"),
    ]
    assert found.players[3].said == "GGUF is not there yet: materialise gguf_artifacts."


def test_a_home_without_any_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FcAssetsError, match=r"no model to ask below .*materialise base_model"):
        lineup(ArtifactStore(tmp_path / "empty"), load_profile("demo"))


def test_an_artefact_that_has_changed_is_missing_with_the_reason(store: ArtifactStore, profile: Profile) -> None:
    (changed,) = (store.home / "artifacts" / BASE_MODEL).glob("*/name")
    changed.write_text("another model")
    base, sft, *_ = lineup(store, profile).players
    assert base.state == "missing" and "base_model" in base.said and "has changed since" in base.said
    assert sft.state == "waiting"


def test_models_answer_and_are_let_go(store: ArtifactStore, profile: Profile) -> None:
    found = started(lineup(store, profile))
    try:
        assert [player.state for player in found.players] == ["ready", "ready", "ready", "missing"]
        base, sft = found.players[0].answering, found.players[1].answering
        assert base and sft
        assert base.write(QUESTION, [], 32).text == "<tool_call>\nlift it\n</tool_call>"
        answer = sft.write(QUESTION, [], 32)
        assert '"n": 5' in answer.text and answer.output_tokens == 5 and answer.seconds > 0
    finally:
        found.stop()
    assert found.players[1].answering is None


def test_one_that_does_not_start_says_why_and_the_others_go_on(
    store: ArtifactStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And they start one after the other, since servers that measure a card's memory at once disturb each other."""
    starting: list[str] = []
    ended: list[str] = []

    @contextlib.contextmanager
    def serve(model: Path, settings: Any, *, name: str, log: Path, model_digest: str) -> Iterator[Endpoint]:
        assert not starting
        starting.append(name)
        time.sleep(0.05)
        starting.clear()
        if name == "sft":
            raise ServerError("the card is full")
        yield Endpoint("http://127.0.0.1:9", name)
        ended.append(name)

    monkeypatch.setattr(engines, "serve", serve)
    found = started(lineup(store, profile))
    assert [player.state for player in found.players] == ["ready", "failed", "ready", "missing"]
    assert found.players[1].said == "SFT did not start: the card is full"
    assert ended == []
    found.stop()
    assert sorted(ended) == ["base", "grpo"]


def test_stopping_does_not_wait_for_one_that_is_starting(
    store: ArtifactStore, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    @contextlib.contextmanager
    def serve(*_: object, **__: object) -> Iterator[Endpoint]:
        release.wait(10)
        yield Endpoint("http://127.0.0.1:9", "late")

    monkeypatch.setattr(engines, "serve", serve)
    found = lineup(store, profile)
    found.start()
    until(lambda: found.players[0].state == "starting")
    began = time.monotonic()
    found.stop()
    assert time.monotonic() - began < 1
    release.set()
    until(lambda: found.players[0].state == "failed")
    assert found.players[1].state != "ready", "no further one is started"


def test_a_server_that_is_gone_is_said_in_a_sentence() -> None:
    with pytest.raises(FcAssetsError, match="the server does not answer"):
        ServedVariant(Endpoint("http://127.0.0.1:9", "sft")).write(QUESTION, [], 8)


@pytest.mark.parametrize(("name", "gib", "servers"), [("gpu-12gb", 12, 3), ("gpu-12gb", 12, 4), ("gpu-80gb", 80, 4)])
def test_all_servers_of_a_profile_fit_its_card_one_after_the_other(
    name: str, gib: int, servers: int, tmp_path: Path
) -> None:
    write_json(tmp_path / "config.json", qwen3.config().to_dict())
    profile, on = load_profile(name).server, machine(gib)
    one = server_settings(profile, servers)
    assert one.gpu_memory_share * servers == pytest.approx(profile.gpu_memory_share)
    for _ in range(servers):
        assert isinstance(on.card, Card) and server_refusal(tmp_path, one, on) is None
        taken = int(one.gpu_memory_share * on.card.total)
        on = replace(on, card=replace(on.card, free=on.card.free - taken))


def test_of_the_gguf_files_the_smallest_is_asked(store: ArtifactStore, profile: Profile) -> None:
    def fill(out: Path) -> None:
        (out / gguf_file("Q8_0")).write_bytes(b"the larger one")
        (out / gguf_file("Q4_K_M")).write_bytes(b"smaller")

    publish(store, GGUF_ARTIFACTS, fill)
    player = lineup(store, profile).players[3]
    assert (player.name, player.label, player.state) == (GGUF, "GGUF Q4_K_M", "waiting")


def test_a_gguf_file_answers(tmp_path: Path) -> None:
    file = tmp_path / gguf_file("F16")
    write_gguf(read_checkpoint(EMBEDDED), file, "F16", name="tiny", source_digest="d")
    model = GgufModel(file, EdgeSettings(context=512, threads=1))
    answer = model.write(QUESTION, [{"name": "lift", "description": "", "parameters": {}}], 8)
    assert answer.prompt_tokens and answer.output_tokens and answer.finish_reason in ("stop", "length")
