"""How many tokens the rows of the splits have: `python -m fc_assets.data.token_lengths_job JOB.json`.

Rows are rendered by the profile's own chat template and counted by its own tokenizer, prompt and answer together. Only
`tokenizers` and `jinja2` are imported, so this takes a second where transformers would take ten. What becomes of rows
that are too long is decided by a check, not here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from fc_assets.calls.control_text import Pieces
from fc_assets.calls.conversations import Turn, turns_of
from fc_assets.calls.prompts import THINK_OFF, prompt_pieces
from fc_assets.data.jobs import LongTurn, SplitTokens, SplitToMeasure, TokenLengthsJob, TokenLengthsResult
from fc_assets.data.splits import split_rows
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.foundation.hub import checkpoint_on_hub, download_snapshot
from fc_assets.profiles import EMBEDDED, BaseModelSettings

SAMPLED_ROWS = 2000
LONGEST_TURNS = 20
_BATCH = 512
_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


class TemplateTokenizer:
    """A tokenizer and chat template read from a checkpoint's files; does what `render_prompt` and counting need."""

    def __init__(self, folder: Path) -> None:
        from jinja2 import TemplateError
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from tokenizers import Tokenizer

        def refuse(message: str) -> None:
            raise TemplateError(message)

        try:
            self.tokenizer = Tokenizer.from_file(str(folder / _FILES[0]))
            config = json.loads((folder / _FILES[1]).read_text(encoding="utf-8"))
        except Exception as error:  # the tokenizers library raises plain Exception
            raise FcAssetsError(f"{folder} holds no readable tokenizer ({error}); check base_model") from None
        template = folder / _FILES[2]
        text = template.read_text(encoding="utf-8") if template.is_file() else config["chat_template"]
        # The settings under which transformers compiles chat templates.
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = refuse
        self.template = environment.from_string(text)
        end = config["eos_token"]
        self.end = end if isinstance(end, str) else end["content"]

    def apply_chat_template(self, conversation: Any, **options: Any) -> str:
        """The rendered text; takes transformers' options and ignores `tokenize`."""
        return self.template.render(messages=conversation, **options)

    def pieces(self, turn: Turn) -> Pieces:
        """The training sequence of one turn, cut as `calls.control_text` says."""
        messages = [dict(message) for message in turn.messages]
        *before, opened = prompt_pieces(self, messages, turn.tools, thinking_off=False)
        first, *rest = turn.answer_pieces
        pieces = [*before, f"{opened}{THINK_OFF}{first}", *rest]
        return [*pieces[:-1], pieces[-1] + self.end]

    def count(self, texts: Sequence[Pieces]) -> list[int]:
        """Tokens of each text, which comes in pieces."""
        pieces = [piece for text in texts for piece in text]
        encoded = iter(self.tokenizer.encode_batch(pieces, add_special_tokens=False))
        return [sum(len(encoding.ids) for encoding in islice(encoded, len(text))) for text in texts]


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def measure(job: TokenLengthsJob, log: Log) -> TokenLengthsResult:
    """Count the tokens of every split of the job."""
    tokenizer = TemplateTokenizer(_tokenizer_folder(job.base_model))
    counted = {name: count_split(tokenizer, split) for name, split in job.splits.items()}
    for name, tokens in counted.items():
        log.info(f"{name}: {tokens.turns} turns, the longest of {tokens.longest[0].tokens} tokens")
    return TokenLengthsResult(splits=counted)


def count_split(tokenizer: TemplateTokenizer, split: SplitToMeasure) -> SplitTokens:
    """The lengths of the turns of a split: a sample, and the `LONGEST_TURNS` longest of all.

    A text of n bytes has at most n tokens, so only texts of more bytes than the last of the longest has tokens need
    counting beside the sample.
    """
    turns = 0
    longest: list[LongTurn] = []
    lengths: list[int] = []
    step = max(1, split.rows // SAMPLED_ROWS)
    batch: list[tuple[str, Pieces, bool]] = []  # id, text, whether it is in the sample

    def count_batch() -> None:
        counts = tokenizer.count([text for _, text, _ in batch])
        for (turn_id, _, sampled), count in zip(batch, counts, strict=True):
            if sampled:
                lengths.append(count)
            longest.append(LongTurn(id=turn_id, tokens=count))
        longest.sort(key=lambda turn: -turn.tokens)  # of turns of one length, the first in the split stay first
        del longest[LONGEST_TURNS:]
        batch.clear()

    for turn in (turn for row in split_rows(split.file) for turn in turns_of(row, closing=True)):
        text, sampled = tokenizer.pieces(turn), turns % step == 0
        turns += 1
        if sampled or len(longest) < LONGEST_TURNS or len("".join(text).encode()) > longest[-1].tokens:
            batch.append((turn.id, text, sampled))
        if len(batch) >= _BATCH:
            count_batch()
    count_batch()
    return SplitTokens(
        turns=turns,
        longest=tuple(longest),
        lengths=tuple(lengths),
    )


def _tokenizer_folder(settings: BaseModelSettings) -> Path:
    """Where the tokenizer of the base model lies; it is downloaded if it is on the hub."""
    if settings.source != "hub":
        return EMBEDDED if settings.source == "embedded" else Path(settings.path)
    return download_snapshot(checkpoint_on_hub(settings.model, settings.revision), _FILES)


if __name__ == "__main__":
    run_job(TokenLengthsJob, measure)
