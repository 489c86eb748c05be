"""Embedding similarity: which strings are compared, the figures by hand, and the library itself on a known model."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import FAILED
from fc_assets.evaluation.cli import main
from fc_assets.evaluation.embedding.similarity import embed, similarity_table, string_pairs, to_embed
from fc_assets.evaluation.jobs import EmbeddingJob
from fc_assets.evaluation.scoring import ScoringRow, score_rows
from fc_assets.foundation.child_processes.jobs import write_job
from fc_assets_tests.support.scored_files import predictions, sharegpt
from fc_assets_tests.support.tools import TOOLS, WEIGHTS, weather

INSTALLED = importlib.util.find_spec("sentence_transformers") is not None
needs_library = pytest.mark.skipif(not INSTALLED, reason="sentence-transformers is not installed (extra `embedding`)")
PARIS, OSLO = weather("Paris"), weather("Oslo", unit="kelvin")

# emitted text, expected calls, the pairs (expected, given)
CASES = {
    "equal": (answer_text([PARIS]), [PARIS], [("Paris", "Paris")]),
    "another value": (answer_text([weather("Paris, France")]), [PARIS], [("Paris", "Paris, France")]),
    "no call": ("It rains.", [PARIS], [("Paris", None)]),
    "another tool": (answer_text([Call("ping", {})]), [PARIS], [("Paris", None)]),
    "left out": (answer_text([Call("get_weather", {})]), [PARIS], [("Paris", None)]),
    "no string": (answer_text([weather(75)]), [PARIS], [("Paris", None)]),
    "numbers are not compared": (answer_text([PARIS]), [weather("Paris", days=3)], [("Paris", "Paris")]),
    "each call with its own": (
        answer_text([OSLO, PARIS]),
        [PARIS, OSLO],
        [("Paris", "Paris"), ("Oslo", "Oslo"), ("kelvin", "kelvin")],
    ),
    "one of two": (answer_text([PARIS]), [PARIS, weather("Rome")], [("Paris", "Paris"), ("Rome", None)]),
    "a call that nobody expects": (answer_text([PARIS]), [], []),
}


def table(*rows: tuple[str, list[Call]]) -> pd.DataFrame:
    tools = json.dumps(TOOLS)
    return score_rows(
        [ScoringRow(str(number), "?", tools, tuple(calls), text) for number, (text, calls) in enumerate(rows)],
        WEIGHTS,
    )


@pytest.mark.parametrize("text, expected, pairs", CASES.values(), ids=CASES)
def test_which_strings_are_compared(text: str, expected: list[Call], pairs: list[tuple[str, str | None]]) -> None:
    assert string_pairs(table((text, expected))) == [pairs]


def test_the_figures_are_those_of_a_hand_count() -> None:
    right, near, silent = answer_text([PARIS]), answer_text([weather("Paris, France")]), "It rains."
    frames = {
        "sft": table((right, [PARIS]), (near, [PARIS]), (silent, [PARIS]), (silent, [])),
        "grpo": table((right, [PARIS]), (right, [PARIS]), (near, [PARIS]), (silent, [])),
    }
    pairs = {variant: string_pairs(frame) for variant, frame in frames.items()}
    assert to_embed(pairs) == [("Paris", "Paris, France")], "equal strings and absent ones need no model"
    first, second = similarity_table(frames, pairs, [0.7], samples=200)
    assert (first["variant"], second["variant"]) == ("SFT", "SFT+GRPO")
    assert first["embedding similarity"] == pytest.approx((1 + 0.7 + 0) / 3)
    assert second["embedding similarity"] == pytest.approx((1 + 1 + 0.7) / 3)
    assert (first["expected strings"], first["equal"], first["not given"]) == (3, 1, 1)
    assert first["semantic consistency"] is not None


def test_a_row_without_an_answer_is_left_out() -> None:
    tools = json.dumps(TOOLS)
    rows = [ScoringRow(str(number), "?", tools, (PARIS,), answer_text([PARIS])) for number in range(200)]
    rows[7] = ScoringRow("7", "?", tools, (PARIS,), "", finish_reason=FAILED)
    frames = {"mine": score_rows(rows, WEIGHTS)}
    (found,) = similarity_table(frames, {"mine": string_pairs(frames["mine"])}, [], samples=50)
    assert found["expected strings"] == 199 and found["embedding similarity"] == 1


def test_nothing_to_compare_is_no_similarity() -> None:
    frames = {"mine": table(("No.", []))}
    (found,) = similarity_table(frames, {"mine": string_pairs(frames["mine"])}, [], samples=50)
    assert found["embedding similarity"] is None and found["95 %"] is None


@pytest.mark.skipif(INSTALLED, reason="sentence-transformers is installed")
def test_a_missing_library_is_said_in_a_sentence() -> None:
    with pytest.raises(FcAssetsError, match=r"install fc-assets\[embedding\]"):
        embed("anything", "main", [("a", "b")])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model of five words with known vectors: "big" and "large" are 0.6 alike, "big" and "small" opposed."""
    import numpy as np
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"[UNK]": 0, "big": 1, "large": 2, "small": 3, "Oslo": 4}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.array([[0, 0, 1], [2, 0, 0], [0.6, 0.8, 0], [-1, 0, 0], [0, 0, -1]], dtype=np.float32)
    folder = tmp_path_factory.mktemp("model")
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors)], device="cpu").save(str(folder))
    return folder


@needs_library
def test_cosines_of_a_known_model_from_a_process_of_its_own(model: Path, tmp_path: Path) -> None:
    pairs = [("big", "large"), ("big", "big"), ("big", "small"), ("big big", "big"), ("Oslo", "large")]
    files = write_job(EmbeddingJob(model=str(model), revision="main", pairs=tuple(pairs)), tmp_path)
    subprocess.run(files.argv, check=True, timeout=120)
    found = files.result().cosines
    assert found == pytest.approx([0.6, 1, 0, 1, 0], abs=1e-6)
    assert list(found) == embed(str(model), "main", pairs), "the same pairs, the same figures"


@needs_library
def test_a_model_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FcAssetsError, match="no sentence-embedding model"):
        embed(str(tmp_path), "main", [("a", "b")])


@needs_library
def test_the_command_line_reports_it(model: Path, tmp_path: Path) -> None:
    rows = {
        "0": weather("large"),
        "1": weather("Rome"),
        "2": None,
        "talk#0": weather("Bonn"),
        "talk#1": weather("Bonn"),
    }
    lines = [{"id": row, "text": answer_text([call]) if call else "No."} for row, call in rows.items()]
    arguments = ["score", "--predictions", str(predictions(tmp_path, lines)), "--data", str(sharegpt(tmp_path))]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--embedding-model", str(model)]) == 0
    (found,) = json.loads((tmp_path / "out" / "results.json").read_text())["extra_tables"]["Embedding similarity"]
    # Paris (unknown to the model) against "large": 0; Rome right, Oslo not given; Bonn right twice.
    assert found["embedding similarity"] == pytest.approx(3 / 5) and found["not given"] == 1
    assert "cosine between the sentence embeddings" in (tmp_path / "out" / "report.html").read_text()
