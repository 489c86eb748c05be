"""The models that a home holds, each with what answers for it: a vLLM server, or llama.cpp for the GGUF file.

They start one after the other while the page is open already: two servers that measure a card's memory at once disturb
each other. What is missing or does not start says so in one sentence, and the others go on. What an answer is worth is
`answers`; the page is `page`.
"""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from fc_assets.calls.call import Tool
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.names import GGUF_ARTIFACTS, MODEL_FOLDER, VARIANT_LABELS, gguf_file
from fc_assets.profiles import EdgeSettings, Profile, ServerSettings, variant_models
from fc_assets.serving.chat import chat_request
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.server import serve

Messages = Sequence[Mapping[str, Any]]
State = Literal["missing", "waiting", "starting", "ready", "failed"]

GGUF = "gguf"
"""What the GGUF file is called beside the variants."""
_REQUEST_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 30.0
_MOST_SEQUENCES = 4
"""Questions at once of one server: a person asks one."""
_MOST_TOKENS = 4096
"""Tokens of a question with its tools and its answer: so the servers of four variants fit a card with 12 GB."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote; token counts are the engine's own, None where it gave none. `seconds` is wall time."""

    text: str
    finish_reason: str
    prompt_tokens: int | None
    output_tokens: int | None
    seconds: float


class Answering(Protocol):
    """A model that is ready."""

    def write(self, messages: Messages, tools: Sequence[Tool], max_tokens: int) -> Written:
        """Its greedy answer. Raises `FcAssetsError` where there is none."""


@dataclass(frozen=True, slots=True)
class ServedVariant:
    """A checkpoint behind a server."""

    endpoint: Endpoint

    def write(self, messages: Messages, tools: Sequence[Tool], max_tokens: int) -> Written:
        """The raw text: the server is not to read calls out of it."""
        body = chat_request(self.endpoint.model, messages, tools, max_tokens=max_tokens, tool_choice="none")
        started = time.perf_counter()
        try:
            found = self.endpoint.post("/v1/chat/completions", body, _REQUEST_TIMEOUT_S)
        except urllib.error.HTTPError as error:
            reason = error.read()[:300].decode("utf-8", "replace")
            raise FcAssetsError(f"the server refused the question: HTTP {error.code}, {reason}") from error
        except (OSError, ValueError) as error:
            raise FcAssetsError(f"the server does not answer ({error}); start the playground again") from error
        seconds = time.perf_counter() - started
        choice, usage = found["choices"][0], found.get("usage") or {}
        return Written(
            text=choice["message"].get("content") or "",
            finish_reason=choice.get("finish_reason") or "",
            prompt_tokens=usage.get("prompt_tokens"),
            output_tokens=usage.get("completion_tokens"),
            seconds=seconds,
        )


class GgufModel:
    """A GGUF file that llama.cpp has loaded into this process; it answers one question at a time."""

    def __init__(self, file: Path, settings: EdgeSettings) -> None:
        from fc_assets.edge.measurement.llama_model import LlamaModel  # brings llama.cpp

        self._model = LlamaModel(file, context=settings.context, threads=settings.threads)
        self._lock = threading.Lock()

    def write(self, messages: Messages, tools: Sequence[Tool], max_tokens: int) -> Written:
        """By the prompt that llama.cpp renders from the template in the file."""
        with self._lock:
            found = self._model.answer(self._model.render(messages, tools), max_tokens)
        return Written(found.text, found.finish_reason, found.prompt_tokens, found.output_tokens, found.seconds)


@dataclass
class Player:
    """One column of the page. `said` is a sentence where `state` is missing or failed."""

    name: str
    label: str
    asset: str
    artifact: Artifact | None = None
    state: State = "missing"
    said: str = ""
    answering: Answering | None = None

    def as_json(self) -> dict[str, str]:
        """What the page shows of it."""
        digest = self.artifact.digest[:16] if self.artifact else ""
        return {name: getattr(self, name) for name in ("name", "label", "asset", "state", "said")} | {"digest": digest}


@dataclass
class Lineup:
    """All columns, and the thread that starts their engines and keeps them until `stop`."""

    players: Sequence[Player]
    profile: Profile
    logs: Path
    _end: threading.Event = field(default_factory=threading.Event)
    _all_started: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to start the engines; returns at once."""
        # A daemon: where the process ends while a server starts, nobody waits for that. The server ends all the same,
        # since its supervisor learns from a closed pipe that this process is gone.
        self._thread = threading.Thread(target=self._hold, daemon=True, name="playground engines")
        self._thread.start()

    def stop(self) -> None:
        """End the engines: returns when they are gone, or at once where one is still being started."""
        self._end.set()
        if self._thread and self._all_started.is_set():
            self._thread.join(_STOP_TIMEOUT_S)

    def find(self, name: str) -> Player | None:
        """The column of that name."""
        return next((player for player in self.players if player.name == name), None)

    def _hold(self) -> None:
        there = [player for player in self.players if player.artifact]
        servers = [player for player in there if player.name != GGUF]
        settings = server_settings(self.profile.server, len(servers))
        with contextlib.ExitStack() as stack:
            for player in sorted(there, key=lambda each: each.name != GGUF):  # ready in a moment
                if self._end.is_set():
                    break
                self._start(stack, player, settings)
            self._all_started.set()
            self._end.wait()
        for player in there:
            player.state, player.answering = "failed", None

    def _start(self, stack: contextlib.ExitStack, player: Player, settings: ServerSettings) -> None:
        assert player.artifact is not None
        player.state = "starting"
        try:
            if player.name == GGUF:
                player.answering = GgufModel(_gguf_of(player.artifact, self.profile.edge), self.profile.edge)
            else:
                checkpoint, log = player.artifact.path / MODEL_FOLDER, self.logs / f"{player.name}.log"
                digest = player.artifact.digest
                endpoint = stack.enter_context(
                    serve(checkpoint, settings, name=player.name, log=log, model_digest=digest)
                )
                player.answering = ServedVariant(endpoint)
        except (FcAssetsError, ImportError) as error:
            player.state, player.said = "failed", f"{player.label} did not start: {error}"
        else:
            player.state = "ready"


def lineup(store: ArtifactStore, profile: Profile) -> Lineup:
    """A column for each variant of the profile's graph and one for the GGUF file, with what the home holds of each.

    Raises `FcAssetsError` where it holds none.
    """
    columns = [(variant, VARIANT_LABELS[variant], asset) for variant, asset in variant_models(profile).items()]
    players = [_player(store, *column) for column in (*columns, (GGUF, "GGUF", GGUF_ARTIFACTS))]
    if not any(player.artifact for player in players):
        raise FcAssetsError(
            f"There is no model to ask below {store.home}: materialise {columns[0][2]} first, or run `fc-assets demo`"
        )
    for player in players:
        if player.name == GGUF and player.artifact:
            player.label = f"GGUF {_gguf_of(player.artifact, profile.edge).stem.partition('-')[2]}"
    return Lineup(players, profile, store.home / "logs" / "playground")


def server_settings(settings: ServerSettings, servers: int) -> ServerSettings:
    """The settings of one of so many servers on one machine: its share of the card, few questions at once and no
    long ones, no capture of CUDA graphs, which takes longer to start than it saves here."""
    return settings.model_copy(
        update={
            "port": 0,
            "gpu_memory_share": settings.gpu_memory_share / max(1, servers),
            "max_num_seqs": min(settings.max_num_seqs, _MOST_SEQUENCES),
            "max_model_len": min(settings.max_model_len, _MOST_TOKENS),
            "enforce_eager": True,
        }
    )


def _player(store: ArtifactStore, name: str, label: str, asset: str) -> Player:
    player = Player(name, label, asset)
    try:
        player.artifact = store.newest(asset)
    except FcAssetsError as error:
        player.said = str(error)
        return player
    if player.artifact:
        player.state = "waiting"
    else:
        player.said = f"{label} is not there yet: materialise {asset}."
    return player


def _gguf_of(artifact: Artifact, settings: EdgeSettings) -> Path:
    """The smallest of the files: what goes to the edge."""
    files = [artifact.path / gguf_file(kind) for kind in settings.quantisations]
    there = [file for file in files if file.is_file()]
    if not there:
        raise FcAssetsError(
            f"{artifact.asset} has none of {', '.join(file.name for file in files)}; materialise it again"
        )
    return min(there, key=lambda file: file.stat().st_size)
