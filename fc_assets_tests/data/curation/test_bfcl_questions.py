"""BFCL's questions as plain files, and a well-known one of them."""

import json
from pathlib import Path

import pytest

from fc_assets.data.curation.bfcl_questions import questions_folder, read_questions
from fc_assets.errors import FcAssetsError
from fc_assets_tests.support.curation_rows import GOOD, booking, curated_rows


def test_bfcl_questions_are_read_from_their_files(tmp_path: Path):
    data = tmp_path / "lib/python3.11/site-packages/bfcl_eval/data"
    data.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    question = {"id": "x", "question": [[{"role": "system", "content": "s"}, {"role": "user", "content": "What?"}]]}
    (data / "BFCL_v4_simple.json").write_text(json.dumps(question) + "\n" + json.dumps(question) + "\n")
    assert questions_folder(str(tmp_path / "bin/python")) == data
    assert read_questions(data) == ["What?"]
    (data / "BFCL_v4_more.json").write_text("{}\n")
    with pytest.raises(FcAssetsError, match=r"BFCL_v4_more\.json line 1 is no BFCL question"):
        read_questions(data)
    assert questions_folder(str(tmp_path / "absent/bin/python")) is None


def test_the_example_on_xlams_card_is_a_bfcl_question():
    folder = questions_folder("")
    if folder is None:
        pytest.skip("bfcl-eval is not installed")
    questions = read_questions(folder)
    assert len(questions) > 3000
    card = (
        "Find the sum of all the multiples of 3 and 5 between 1 and 1000. "
        "Also find the product of the first five prime numbers."
    )
    kept, _ = curated_rows([booking("card", card, GOOD)], questions)
    assert kept == []
