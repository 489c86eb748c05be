"""A GGUF file as the gateway's policy: the same text as the file gives to the same prompt."""

from pathlib import Path

import pytest

from fc_assets.edge.measurement.llama_model import LlamaModel
from fc_assets.errors import FcAssetsError
from fc_assets.gateway.policy import GgufPolicy
from fc_assets_tests.edge.measurement.conftest import QUERY, TOOL

CALL = {"id": "call_0_0", "type": "function", "function": {"name": TOOL["name"], "arguments": "{}"}}
MESSAGES = [
    {"role": "user", "content": QUERY},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_0_0", "content": "It rains."},
]


def test_a_file_answers_a_conversation_with_results(f16_file: Path, model: LlamaModel) -> None:
    policy = GgufPolicy(f16_file, context=2048, threads=1, max_tokens=8)
    expected = model.answer(model.render(MESSAGES, [TOOL]), 8).text
    assert policy.answer(MESSAGES, [TOOL], 60) == expected


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF?")
    with pytest.raises(FcAssetsError, match="could not load"):
        GgufPolicy(tmp_path / "x.gguf", context=256, threads=1, max_tokens=8)
