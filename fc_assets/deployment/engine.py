"""An engine of the stack, vLLM with one release: its colour, and the names by which it is reached.

Of the two colours one serves; the other one is there only while a release changes. Starting engines belongs to
`targets`, choosing between them to `deploy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fc_assets.names import MODEL_FOLDER
from fc_assets.profiles import DeploymentSettings, ServerSettings
from fc_assets.serving.vllm_command import VllmCommand, vllm_command

Colour = Literal["blue", "green"]
COLOURS: tuple[Colour, Colour] = ("blue", "green")
ENGINE_PORT = 8000


@dataclass(frozen=True)
class EngineSpec:
    """A release in a colour: its digest, and vLLM's settings for it. Where its files lie is the store's to say."""

    release: str
    colour: Colour
    server: ServerSettings

    @property
    def service(self) -> str:
        """The name of its service."""
        return engine_service(self.colour)


def engine_service(colour: Colour) -> str:
    """The name of the service, and of the host in the stack's network, that runs the engine of that colour."""
    return f"vllm-{colour}"


def other_colour(colour: Colour) -> Colour:
    """The colour that is not `colour`."""
    return "green" if colour == "blue" else "blue"


def release_name(served_name: str, release: str) -> str:
    """The name under which one release, and no other, is served beside the stable name."""
    return f"{served_name}-{release[:16]}"


def model_path(release: str) -> str:
    """Where an engine's container sees the checkpoint: the digest is part of it, so that releases never mix."""
    return f"/releases/{release[:16]}/{MODEL_FOLDER}"


def engine_command(engine: EngineSpec, settings: DeploymentSettings) -> VllmCommand:
    """How an engine's container starts vLLM, on this machine's Docker engine and on a cluster alike."""
    server = engine.server
    if not server.threads:
        # The container sees every core of its machine, and may use only these.
        server = server.model_copy(update={"threads": max(1, int(settings.cpus))})
    names = [settings.served_name, release_name(settings.served_name, engine.release)]
    return vllm_command(server, model_path(engine.release), names, "0.0.0.0", ENGINE_PORT, home="/tmp")
