"""One example as a row of a ShareGPT file, and the `dataset_info.json` by which LLaMA-Factory finds its way in it.

Which rows go where is decided in `splits`; reading the files back is `fc_assets.calls.conversations`.
"""

from __future__ import annotations

import json
from pathlib import Path

import orjson

from fc_assets.data.rows.normalise import Example
from fc_assets.data.sources.generator import REFUSAL

DATASET_INFO = "dataset_info.json"


def sharegpt_row(example: Example) -> bytes:
    """The row as one line of JSON. A function call's value is one object, or a list where several are expected."""
    row = {
        "id": example.id,
        "conversations": orjson.Fragment(example.turns) if example.turns else conversation(example),
        "system": "",
        "tools": example.tools,
        "source": example.source,
        "flags": example.flags,
    }
    return orjson.dumps(row)


def conversation(example: Example) -> list[dict[str, str]]:
    """Question and answer of a single-turn example."""
    question = {"from": "human", "value": example.query}
    calls = orjson.loads(example.calls)
    if not calls:
        return [question, {"from": "gpt", "value": REFUSAL}]
    # One call stands alone: the list's brackets go, its text stays as it is.
    value = example.calls if len(calls) > 1 else example.calls.strip()[1:-1]
    return [question, {"from": "function_call", "value": value}]


def write_dataset_info(folder: Path, name: str) -> None:
    """Describe `<name>.json` in `folder` in the form that LLaMA-Factory documents for ShareGPT data with tools."""
    info = {
        name: {
            "file_name": f"{name}.json",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
            "tags": {
                "role_tag": "from",
                "content_tag": "value",
                "user_tag": "human",
                "assistant_tag": "gpt",
                "observation_tag": "observation",
                "function_tag": "function_call",
                "system_tag": "system",
            },
        }
    }
    (folder / DATASET_INFO).write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
