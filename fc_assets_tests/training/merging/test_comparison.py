"""Two models' distributions compared: the same numbers as from whole logits, in a fraction of their memory."""

import subprocess
import sys

import pytest
import torch

from fc_assets.profiles import EMBEDDED
from fc_assets.training.jobs import ComparedTurns
from fc_assets.training.merging import comparison
from fc_assets.training.merging.comparison import ALL_COMPARED, Outputs, compare, outputs
from fc_assets.training.sequences import encode
from fc_assets.training.trainer.checkpoints import load_checkpoint
from fc_assets_tests.training.merging.conftest import TURNS

ALLOWED_MB = 300
"""Beside the models; whole logits of 250 tokens are 150 MB for each of the six tensors that a comparison makes."""
AT_QWENS_VOCABULARY = """
import resource, torch
from fc_assets.training.merging.comparison import Outputs, compare
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
head = torch.randn(151_936, 16)
truth, found = (Outputs(torch.randn(250, 16), head) for _ in range(2))
compare(Outputs(truth.hidden[:1], head), Outputs(found.hidden[:1], head))  # what the first call loads stays
before = peak()
compare(truth, found)
print(peak() - before)
"""


def random_outputs(seed: int, tokens: int = 50) -> Outputs:
    torch.manual_seed(seed)
    return Outputs(torch.randn(tokens, 8), torch.randn(100, 8))


def test_outputs_are_the_models_logits_in_two_factors(tokenizer) -> None:
    model, _ = load_checkpoint(EMBEDDED, bf16=False)
    found = outputs(model, tokenizer, TURNS * 2 * ALL_COMPARED.turns)
    ids = torch.tensor([encode(tokenizer, TURNS[0]).input_ids])
    with torch.inference_mode():
        wanted = model(input_ids=ids).logits[0]
    assert found.tokens == ALL_COMPARED.turns * ids.shape[1]
    torch.testing.assert_close(found.hidden[: ids.shape[1]] @ found.head.T, wanted, atol=1e-4, rtol=1e-4)


def test_a_rehearsal_compares_fewer_tokens_and_a_real_merge_all(tokenizer) -> None:
    model, _ = load_checkpoint(EMBEDDED, bf16=False)
    few = outputs(model, tokenizer, TURNS * 4, ComparedTurns(turns=3, tokens=5))
    torch.testing.assert_close(few.hidden[:5], outputs(model, tokenizer, TURNS).hidden[:5], atol=1e-4, rtol=1e-4)
    assert few.tokens == 15
    assert (ALL_COMPARED.turns, ALL_COMPARED.tokens) == (16, 2048)


def test_differences_are_those_of_the_whole_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = random_outputs(0), random_outputs(1)
    wanted, given = left.hidden @ left.head.T, right.hidden @ right.head.T
    divergence = torch.nn.functional.kl_div(
        given.log_softmax(-1), wanted.log_softmax(-1), log_target=True, reduction="batchmean"
    )
    monkeypatch.setattr(comparison, "SLICE_BYTES", 4 * 100 * 7)  # seven tokens at a time, and a rest
    found = compare(left, right)
    assert found.kl == pytest.approx(float(divergence), rel=1e-5)
    assert found.top1_agreement == float((wanted.argmax(-1) == given.argmax(-1)).double().mean())
    centred = (wanted - wanted.mean(-1, keepdim=True)) - (given - given.mean(-1, keepdim=True))
    assert found.rms == pytest.approx(float(centred.square().mean().sqrt()), rel=1e-5)


def test_a_model_does_not_differ_from_itself() -> None:
    model = random_outputs(0)
    found = compare(model, model)
    assert (found.kl, found.top1_agreement, found.rms) == (0.0, 1.0, 0.0)


def test_outputs_of_other_turns_are_not_compared() -> None:
    with pytest.raises(ValueError, match="other turns"):
        compare(random_outputs(0), random_outputs(0, tokens=7))


def test_memory_is_bounded_at_qwens_vocabulary() -> None:
    done = subprocess.run([sys.executable, "-c", AT_QWENS_VOCABULARY], capture_output=True, text=True, check=True)
    assert float(done.stdout) < ALLOWED_MB
