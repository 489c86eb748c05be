"""Token counts: the light renderer writes what transformers writes, and no row too long escapes."""

import json
from pathlib import Path

import pytest

from fc_assets.calls.conversations import turns_of
from fc_assets.calls.prompts import THINK_OFF, render_prompt
from fc_assets.data import token_lengths_job
from fc_assets.data.curation.observations import with_observation
from fc_assets.data.jobs import SplitToMeasure
from fc_assets.data.rows.normalise import Example, normalise_row
from fc_assets.data.rows.sharegpt import sharegpt_row
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.data.token_lengths_job import LONGEST_TURNS, TemplateTokenizer, count_split
from fc_assets.errors import FcAssetsError

READER = ToolReader()
EXAMPLES = [normalise_row(row, READER) for row in generate_rows(60, 3)]


def _split(folder: Path, examples: list[Example]) -> Path:
    split = folder / "split.json"
    split.write_bytes(b"[" + b",\n".join(map(sharegpt_row, examples)) + b"]")
    return split


@pytest.mark.slow
def test_the_text_is_what_transformers_renders(checkpoint: Path):
    from transformers import AutoTokenizer

    light, heavy = TemplateTokenizer(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    odd = EXAMPLES[0].__class__("odd", "<b>Zürich & 'co'?</b>\n", EXAMPLES[0].tools, "[]", "", "")
    for example in [*EXAMPLES[:20], *map(with_observation, EXAMPLES[20:30]), odd]:
        for turn in turns_of(json.loads(sharegpt_row(example))):
            prompt = render_prompt(heavy, turn.messages, turn.tools, thinking_off=False)
            text = f"{prompt}{THINK_OFF}{turn.answer}<|im_end|>"
            assert light.pieces(turn) == [text]
            assert light.count([[text]]) == [len(heavy(text, add_special_tokens=False).input_ids)]


def test_the_longest_turns_are_found_however_thin_the_sample(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tokenizer = TemplateTokenizer(checkpoint)
    split = _split(tmp_path, EXAMPLES)
    everything = count_split(tokenizer, SplitToMeasure(file=split, rows=60))
    assert everything.turns == len(everything.lengths) == 60
    assert [turn.tokens for turn in everything.longest] == sorted(everything.lengths, reverse=True)[:LONGEST_TURNS]
    # Said to have many rows, the file is sampled thinly, and counted in small batches: only some texts are counted.
    monkeypatch.setattr(token_lengths_job, "_BATCH", 8)
    thin = count_split(tokenizer, SplitToMeasure(file=split, rows=100_000))
    assert len(thin.lengths) < 10
    assert thin.longest == everything.longest


def test_a_folder_without_a_tokenizer(tmp_path: Path):
    with pytest.raises(FcAssetsError, match="holds no readable tokenizer"):
        TemplateTokenizer(tmp_path)
