"""A client that names the model, the conversation and the tools, and nothing else, at a real vLLM on CPU.

It gets the prompt that training saw and the greedy answer that was evaluated: from the embedded model, and from one of
Qwen3-0.6B's shape, whose generation_config.json asks for sampling. Without the flags a canary question shows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from fc_assets.calls.conversations import Turn, turns_of
from fc_assets.calls.prompts import THINK_OFF, wrap_tools
from fc_assets.deployment.probe import ask_canaries
from fc_assets.profiles import EMBEDDED, load_profile
from fc_assets.serving import vllm_command
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.server import serve
from fc_assets.training.sequences import encode
from fc_assets_tests.support import qwen3
from fc_assets_tests.support.lineage import TOOLS

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

(TURN,) = turns_of(
    {
        "id": "1",
        "conversations": [
            {"from": "human", "value": "What is the weather in Oslo?"},
            {"from": "function_call", "value": json.dumps({"name": "get_weather", "arguments": {"city": "Oslo"}})},
        ],
        "tools": json.dumps(TOOLS),
    }
)
SERVER = load_profile("demo").server.model_copy(update={"threads": 2})  # also after the fork, in a real engine


def naive(turn: Turn) -> dict[str, Any]:
    return {"model": "m", "messages": list(turn.messages), "tools": wrap_tools(turn.tools)}


@pytest.fixture(scope="module", params=["embedded", "qwen3"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "embedded":
        return EMBEDDED
    return qwen3.write_checkpoint(tmp_path_factory.mktemp("qwen3"), layers=1)


@pytest.fixture(scope="module")
def endpoint(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    log = tmp_path_factory.mktemp("log") / "vllm.log"
    with serve(checkpoint, SERVER, name="m", log=log, model_digest="d") as running:
        yield running


def test_the_prompt_is_the_prefix_of_the_training_sequence(checkpoint: Path, endpoint: Endpoint) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    ids = endpoint.post("/tokenize", naive(TURN))["tokens"]
    assert ids == encode(tokenizer, TURN).input_ids[: len(ids)]
    assert tokenizer.decode(ids).endswith(f"<|im_start|>assistant\n{THINK_OFF}")


def test_the_answer_is_the_greedy_one(endpoint: Endpoint) -> None:
    def answer(**settings: float) -> str:
        body = {**naive(TURN), "tool_choice": "none", "max_tokens": 12, **settings}
        return str(endpoint.post("/v1/chat/completions", body)["choices"][0]["message"]["content"])

    assert {answer() for _ in range(3)} == {answer(temperature=0.0)}
    assert answer(temperature=1.0, seed=1) != answer(temperature=1.0, seed=2)  # who asks for it may sample


def test_both_stop_tokens_of_the_checkpoint_end_an_answer(checkpoint: Path, endpoint: Endpoint) -> None:
    from transformers import GenerationConfig

    for stop in GenerationConfig.from_pretrained(checkpoint).eos_token_id:
        body = {**naive(TURN), "max_tokens": 4, "logit_bias": {str(stop): 100.0}}
        answer = endpoint.post("/v1/chat/completions", body)
        assert (answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]) == ("stop", 1)


def test_without_the_flags_a_canary_question_is_answered_with_thinking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(vllm_command, "SAME_AS_TRAINED_FLAGS", ())
    canary = {"id": TURN.id, "messages": list(TURN.messages), "tools": list(TURN.tools)}
    with serve(EMBEDDED, SERVER, name="m", log=tmp_path / "log", model_digest="d") as endpoint:
        (result,) = ask_canaries(endpoint, [canary], max_tokens=96)
    assert not result.valid
    assert "it thinks" in result.problem
