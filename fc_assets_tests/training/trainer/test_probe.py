"""The probe: greedy answers that do not depend on their batch, judged like the evaluation's, recorded in the log."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, Qwen2Tokenizer

from fc_assets.calls.control_text import token_ids
from fc_assets.calls.prompts import prompt_pieces
from fc_assets.profiles import EMBEDDED
from fc_assets.training.trainer.probe import Probe, answers, ask
from fc_assets.training.training_log import PROBE_EXACT, PROBE_PARSE, PROBE_ROWS
from fc_assets_tests.training.conftest import FIVE_MINUTES, ListLog, timer_turn

TURNS = [timer_turn("call", FIVE_MINUTES), timer_turn("none")]


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.float32).train()


@pytest.mark.parametrize("tokens", [1, 300, 10_000], ids=["one by one", "in two batches", "all at once"])
def test_an_answer_is_the_same_alone_and_beside_longer_ones(model: Any, tokenizer: Qwen2Tokenizer, tokens: int) -> None:
    asked = [[{"role": "user", "content": "five minutes " * length}] for length in (1, 12, 4)]
    prompts = token_ids(tokenizer, [prompt_pieces(tokenizer, each, TURNS[0].tools, True) for each in asked])
    alone = [answers(model, tokenizer, [prompt], 24, 4096)[0] for prompt in prompts]
    assert answers(model, tokenizer, prompts, 24, tokens) == alone
    assert all(alone) and "<|im_end|>" not in "".join(alone)
    assert model.training, "the model's mode stays what it was"


def test_greedy_answers_draw_no_random_number(
    model: Any, tokenizer: Qwen2Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a probe, training samples what it would have sampled without; whatever the checkpoint says, as Qwen3's."""
    qwen3 = GenerationConfig(do_sample=True, temperature=0.6, top_k=20, top_p=0.95)
    monkeypatch.setattr(model, "generation_config", qwen3)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    ask(model, tokenizer, TURNS, 8, 4096)
    assert torch.equal(before, torch.random.get_rng_state())
    prompts = token_ids(tokenizer, [["<|im_start|>user\n"]] * 4)
    assert len(set(answers(model, tokenizer, prompts, 8, 4096, temperature=1.5))) > 1


def test_it_asks_before_the_first_step_at_each_checkpoint_and_at_the_end(model: Any, tokenizer: Qwen2Tokenizer) -> None:
    log = ListLog()
    probe = Probe(TURNS, tokenizer, 8, 4096, log)
    state: Any = SimpleNamespace(global_step=0, max_steps=5, log_history=[])
    arguments = SimpleNamespace(save_steps=2)
    probe.on_train_begin(arguments, state, None, model=model)
    for state.global_step in range(1, 6):
        probe.on_step_end(arguments, state, None, model=model)
    assert [record["step"] for record in state.log_history] == [0, 2, 4, 5]
    assert all(record[PROBE_ROWS] == 2 and record.keys() >= {PROBE_PARSE, PROBE_EXACT} for record in state.log_history)
    assert "probe at step 5: of 2 held-out turns" in log.lines[-1]
    resumed: Any = SimpleNamespace(global_step=4, max_steps=5, log_history=[])
    probe.on_train_begin(arguments, resumed, None, model=model)
    assert resumed.log_history == [], "the records before it come from the checkpoint"


def test_right_answers_count_as_right(tokenizer: Qwen2Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [TURNS[0].answer, "<tool_call>\n{"]
    monkeypatch.setattr("fc_assets.training.trainer.probe.answers", lambda *_: texts)
    assert ask(None, tokenizer, TURNS, 8, 4096) == {PROBE_ROWS: 2, PROBE_PARSE: 0.5, PROBE_EXACT: 0.5}
