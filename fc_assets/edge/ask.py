"""Asking a GGUF file: messages and tools in, the text, its calls and what it cost out.

    model = LlamaModel(Path("policy-Q4_K_M.gguf"), context=2048, threads=4)
    reply = ask(model, [{"role": "user", "content": "Weather in Bern?"}], tools)

llama.cpp runs in this process. Who asks, and what becomes of the calls, belongs to `chat` and to other rooms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fc_assets.calls.call import Call, Tool
from fc_assets.calls.parse import parse_strict
from fc_assets.edge.jobs import Completion


class Model(Protocol):
    """What is asked: `edge.measurement.llama_model.LlamaModel` for a file."""

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool]) -> str:
        """The prompt, thinking off."""

    def answer(self, prompt: str, max_tokens: int) -> Completion:
        """The greedy answer to a prompt, and what it cost."""


@dataclass(frozen=True)
class FileReply:
    """A greedy answer. `calls` are those that an endpoint would accept; `malformed` counts blocks that are no call.

    `first_token_s` and `seconds` are wall time from the request on; `cut` says that the answer reached its limit.
    """

    text: str
    calls: tuple[Call, ...]
    malformed: int
    prompt_tokens: int
    output_tokens: int
    first_token_s: float
    seconds: float
    cut: bool

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens after the first, by the seconds after it; None for an answer without any."""
        decoding = self.seconds - self.first_token_s
        return (self.output_tokens - 1) / decoding if self.output_tokens > 1 and decoding > 0 else None


def ask(
    model: Model, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool], *, max_tokens: int = 256
) -> FileReply:
    """The file's greedy answer, thinking off, to OpenAI chat messages and tools without their wrapper.

    Raises `FcAssetsError` when the conversation does not fit into the context.
    """
    answer = model.answer(model.render(messages, tools), max_tokens)
    parsed = parse_strict(answer.text)
    return FileReply(
        text=answer.text,
        calls=parsed.calls,
        malformed=parsed.malformed,
        prompt_tokens=answer.prompt_tokens,
        output_tokens=answer.output_tokens,
        first_token_s=answer.first_token_s,
        seconds=answer.seconds,
        cut=answer.finish_reason == "length",
    )
