"""Train-serve parity: the token ids that the server builds for a conversation are those that training saw.

A template that differs between training and serving costs accuracy without any error. Rendering itself is
`calls.prompts`, encoding for training `training.examples`; here the two ends are only compared.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc_assets.calls.conversations import Turn
from fc_assets.calls.prompts import THINK_OFF, wrap_tools
from fc_assets.errors import FcAssetsError
from fc_assets.training.examples import encode

if TYPE_CHECKING:
    from fc_assets.serving.server import Endpoint

PARITY_FILE = "parity.json"
_SHOWN = 3
_AROUND = 8  # tokens shown on each side of a difference


@dataclass(frozen=True, slots=True)
class Parity:
    """How many turns were compared, how many agreed, and the first few that did not.

    `unmeasured` says why nothing was compared; it is empty otherwise.
    """

    rows: int
    equal: int
    differences: tuple[dict[str, Any], ...] = ()
    unmeasured: str = ""


def measure_parity(endpoint: Endpoint, checkpoint: Path, turns: Sequence[Turn], rows: int) -> Parity:
    """Compare `rows` turns, spread over the split, between the server's `/tokenize` and the training encoder.

    What the server builds with thinking off must be the first tokens of the training sequence, up to and with the
    empty think block that opens its completion. A server without `/tokenize` (only vLLM has it) gives an unmeasured
    result.
    """
    chosen = turns[:: max(1, len(turns) // rows)][:rows]
    served = {}
    for turn in chosen:
        try:
            served[turn.id] = served_ids(endpoint, turn)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return Parity(0, 0, unmeasured=f"the server at {endpoint.base_url} has no /tokenize")
            raise FcAssetsError(
                f"/tokenize of {endpoint.base_url} answered HTTP {error.code} for row {turn.id}: "
                f"{error.read()[:300].decode('utf-8', 'replace')}"
            ) from error
        except OSError as error:
            raise FcAssetsError(f"/tokenize of {endpoint.base_url} cannot be reached: {error}") from error

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    think_off = tokenizer(THINK_OFF, add_special_tokens=False).input_ids
    differences = []
    for turn in chosen:
        example = encode(tokenizer, turn)
        trained = example.input_ids[: example.completion_mask.count(0) + len(think_off)]
        if served[turn.id] != trained:
            differences.append(_describe(tokenizer, turn.id, served[turn.id], trained))
    return Parity(len(chosen), len(chosen) - len(differences), tuple(differences[:_SHOWN]))


def served_ids(endpoint: Endpoint, turn: Turn) -> list[int]:
    """The token ids that the server would feed the model for this turn."""
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": list(turn.messages),
        "add_generation_prompt": True,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    if turn.tools:
        body["tools"] = wrap_tools(turn.tools)
    request = urllib.request.Request(
        f"{endpoint.base_url}/tokenize",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **endpoint.headers},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())["tokens"]


def _describe(tokenizer: Any, row: str, served: list[int], trained: list[int]) -> dict[str, Any]:
    pairs = zip(served, trained, strict=False)
    at = next((index for index, (left, right) in enumerate(pairs) if left != right), min(len(served), len(trained)))
    window = slice(max(0, at - _AROUND), at + _AROUND)
    return {
        "id": row,
        "position": at,
        "served": tokenizer.decode(served[window]),
        "trained": tokenizer.decode(trained[window]),
    }
