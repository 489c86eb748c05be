"""One example as a row of a ShareGPT file, and the `dataset_info.json` from which LLaMA-Factory learns its columns.

Which rows go where is decided in `splits`; `fc_assets.calls.conversations` reads the files back.
"""

from __future__ import annotations

from pathlib import Path

import orjson

from fc_assets.data.rows.normalise import Example
from fc_assets.foundation.json_files import write_json
from fc_assets.names import DATASET_INFO, split_file

REFUSAL = "None of the offered functions can do that."
"""What a model is taught to say where no call is right: xLAM's rows then hold no more than an empty list."""


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
    """Describe the split `name` in `folder`, in the form that LLaMA-Factory documents for ShareGPT data with tools."""
    info = {
        name: {
            "file_name": split_file(name),
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
    write_json(folder / DATASET_INFO, info)
