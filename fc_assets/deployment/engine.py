"""An engine of the stack, vLLM with one release: its colour, and the names by which it is reached.

Of the two colours one serves; the other one is there only while a release changes. Starting engines belongs to
`targets`, choosing between them to `deploy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fc_assets.profiles import ServerSettings

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
