"""llama.cpp reads the files as transformers reads the checkpoint: the same ids, the same prompts, the same answers."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fc_assets.calls.prompts import render_prompt
from fc_assets.edge.measurement.llama_model import LIKELIEST, LlamaModel
from fc_assets.errors import FcAssetsError
from fc_assets_tests.edge.measurement.conftest import QUERY, TOOL, ids_of
from fc_assets_tests.support.edge_conversations import CONVERSATIONS


def test_the_tool_prompt_is_rendered_and_cut_alike(model: LlamaModel, tokenizer: Any) -> None:
    messages = [{"role": "user", "content": QUERY}]
    prompt = render_prompt(tokenizer, messages, [TOOL], thinking_off=True)
    assert prompt.endswith("<think>\n\n</think>\n\n")
    assert model.render(messages, [TOOL]) == prompt
    assert model.tokenise(prompt) == ids_of(tokenizer, prompt)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_conversation_is_rendered_and_cut_alike(name: str, model: LlamaModel, tokenizer: Any) -> None:
    asked = CONVERSATIONS[name]
    prompt = render_prompt(tokenizer, asked.messages, asked.tools, thinking_off=True)
    assert model.render(asked.messages, asked.tools) == prompt
    assert model.tokenise(prompt) == ids_of(tokenizer, prompt)


PIECES = (
    "<tool_call>",
    "</tool_call>",
    "<|im_end|>",
    "<think>",
    '{"name": "',
    "'s",
    "\n\n",
    "  ",
    "\t",
    "٣",
    " naïve",
    "日本",
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=8))
def test_any_composed_text_has_the_sameids_of(model: LlamaModel, tokenizer: Any, pieces: list[str]) -> None:
    text = unicodedata.normalize("NFC", "".join(pieces))
    assert model.tokenise(text) == ids_of(tokenizer, text)


def test_greedy_answers_are_those_of_transformers(model: LlamaModel, tokenizer: Any, checkpoint_folder: Path) -> None:
    import torch
    from transformers import Qwen3ForCausalLM

    reference = Qwen3ForCausalLM.from_pretrained(checkpoint_folder).half().float().eval()
    for query in ("What is the weather in Zürich?", "Convert 3.5 miles, please."):
        ids = torch.tensor([ids_of(tokenizer, query)])
        expected = reference.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
        answer = model.answer(query, max_tokens=12)
        assert answer.text == tokenizer.decode(expected, skip_special_tokens=True)
        assert answer.prompt_tokens == ids.shape[1]
        assert answer.output_tokens == 12
        assert answer.finish_reason == "length"
        assert 0 < answer.first_token_s < answer.seconds


def test_next_tokens_have_the_probabilities_of_transformers(
    model: LlamaModel, tokenizer: Any, checkpoint_folder: Path
) -> None:
    """Ends of turn and parts of characters among them: on a random model they are as likely as anything."""
    import torch
    from transformers import Qwen3ForCausalLM

    reference = Qwen3ForCausalLM.from_pretrained(checkpoint_folder).half().float().eval()
    ids = ids_of(tokenizer, "What is the weather in Zürich, please?")
    with torch.no_grad():
        expected = reference(torch.tensor([ids])).logits[0].softmax(-1)
    for length in range(1, len(ids) + 1):
        found = model.next_token(ids[:length])
        assert len(found) == LIKELIEST
        likeliest = expected[length - 1].topk(5)
        assert all(
            found[int(token)] == pytest.approx(float(value), rel=2e-2)
            for value, token in zip(likeliest.values, likeliest.indices, strict=True)
        )


def test_a_prompt_beyond_the_context_is_told(model: LlamaModel) -> None:
    with pytest.raises(FcAssetsError, match="exceeds the available context size"):
        model.answer("hello " * 600, max_tokens=4)
