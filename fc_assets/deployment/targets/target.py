"""What `deploy` asks of a place where a release can run: the Compose stack on this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from fc_assets.deployment.engine import Colour, EngineSpec
from fc_assets.deployment.targets.stack import StackState
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.profiles import DeploymentSettings
from fc_assets.serving.endpoint import Endpoint


class Target(Protocol):
    """Engines in two colours, of which one serves, and the record of it. Every method raises `FcAssetsError`."""

    @property
    def store(self) -> ArtifactStore:
        """The home whose releases are deployed."""

    @property
    def settings(self) -> DeploymentSettings:
        """How they are."""

    @property
    def url(self) -> str:
        """Where users reach the release, for people to read."""

    @property
    def rendered(self) -> Path:
        """The file that says what runs."""

    @property
    def key_place(self) -> str:
        """Where people find the users' key."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold the target: one deployment at a time."""

    def state(self) -> StackState:
        """The record of what serves; the empty state where nothing was ever deployed."""

    def record(self, state: StackState) -> None:
        """Replace the record in one step."""

    def former_folders(self) -> list[Path]:
        """Where this home lay when the running engines were started, if they depend on that and it was elsewhere."""

    def write(self, engines: Sequence[EngineSpec]) -> None:
        """Render what runs with these engines; nothing is started."""

    def start_shared_services(self, on_card: bool) -> None:
        """Bring up what every release shares, for engines on a card or not."""

    def start(self, colour: Colour) -> None:
        """Start a fresh engine of that colour, as it was rendered."""

    def remove(self, colour: Colour) -> None:
        """Stop and remove the engine of that colour; nothing happens where there is none."""

    def runs(self, colour: Colour) -> bool:
        """Whether there is an engine of that colour that has not ended."""

    def image(self, colour: Colour) -> str:
        """The digest of the image that the engine of that colour runs; empty where there is none."""

    def why_failed(self, colour: Colour) -> str:
        """Why the engine of that colour cannot come up any more, as a sentence; empty while it may."""

    def last_words(self, colour: Colour) -> str:
        """What the engine of that colour says of itself, or the target of it: the end of a sentence."""

    def point_at(self, engine: EngineSpec | None) -> None:
        """Send new requests to this engine, or to none."""

    def users_endpoint(self) -> Endpoint:
        """The release that serves, as users reach it."""

    def engine_endpoint(self, colour: Colour) -> Endpoint:
        """One engine, whether it serves or not."""

    def down(self) -> None:
        """Stop and remove every engine; keys and the record stay."""
