"""A pair is left out where one of its answers does not fit, and never cut."""

from transformers import Qwen2Tokenizer

from fc_assets.training.dpo.pairs import PreferencePair
from fc_assets.training.dpo.pairs_job import fits


def pair(best: str, worst: str) -> PreferencePair:
    return PreferencePair("row", "query", best, worst, 1.0, 0.0, expected=False)


def test_both_answers_must_fit_with_their_end_token(tokenizer: Qwen2Tokenizer) -> None:
    prompt, short, long = "Set a timer.\n\n", "No.", "No, I cannot do that, whatever you say."
    needed = len(tokenizer(prompt + long + tokenizer.eos_token).input_ids)
    for both in (pair(short, long), pair(long, short)):
        assert fits(tokenizer, prompt, both, needed)
        assert not fits(tokenizer, prompt, both, needed - 1)


def test_an_answer_that_melts_into_the_prompts_end_is_left_out(tokenizer: Qwen2Tokenizer) -> None:
    """The trainer would tokenize the prompt otherwise than a server does."""
    prompt = "Set a timer.\n"
    assert not fits(tokenizer, prompt, pair("No.", "\nNo."), 100)
    assert fits(tokenizer, prompt, pair("No.", "Never."), 100)
