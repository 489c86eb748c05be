"""Files for `fc-assets score`: a small ShareGPT split, and predictions as JSONL."""

from __future__ import annotations

import json
from pathlib import Path

from fc_assets_tests.support.tools import TOOLS, weather

CALLS = [[weather("Paris")], [weather("Rome"), weather("Oslo")], []]


def sharegpt(folder: Path) -> Path:
    """Three rows as a ShareGPT split, and a conversation of two steps."""
    rows = []
    for number, calls in enumerate(CALLS):
        dicts = [call.as_dict() for call in calls]
        answer = {"from": "function_call", "value": json.dumps(dicts[0] if len(dicts) == 1 else dicts)}
        conversation = [
            {"from": "human", "value": "Weather?"},
            answer if calls else {"from": "gpt", "value": "Sorry."},
        ]
        rows.append({"id": str(number), "conversations": conversation, "system": "", "tools": json.dumps(TOOLS)})
    step = {"from": "function_call", "value": json.dumps(weather("Bonn").as_dict())}
    turns = [{"from": "human", "value": "Bonn?"}, step, {"from": "observation", "value": "rain"}, step]
    rows.append({"id": "talk", "conversations": turns, "system": "", "tools": json.dumps(TOOLS)})
    file = folder / "val.json"
    file.write_text(json.dumps(rows))
    return file


def predictions(folder: Path, lines: list[dict[str, object]]) -> Path:
    file = folder / "predictions.jsonl"
    file.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n")
    return file
