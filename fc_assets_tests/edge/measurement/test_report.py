"""The report's figures follow from the answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from fc_assets.edge.gguf_files import GgufFile, GgufType
from fc_assets.edge.jobs import EdgeAnswer, FileMeasurement
from fc_assets.edge.measurement.report import EdgeReport, EdgeReportRow, compare_files, draw
from fc_assets.errors import FcAssetsError
from fc_assets_tests.edge.conftest import write_split

RIGHT = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bern"}}\n</tool_call>'
WRONG = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bonn"}}\n</tool_call>'
BROKEN = '<tool_call>\n{"name": "get_weather"'


def _file(kind: GgufType) -> GgufFile:
    return GgufFile(kind, f"policy-{kind}.gguf", 2_000_000, "0" * 64, 8.5, {kind: 15}, [])


def _measured(texts: list[str], tokens: int = 11, likeliest: float = 0.5) -> FileMeasurement:
    answers = [
        EdgeAnswer(
            id=str(number),
            text=text,
            prompt_tokens=50,
            output_tokens=tokens,
            first_token_s=0.01 * (number + 1),
            seconds=0.01 * (number + 1) + 0.1,
            finish_reason="stop",
            same_ids=True,
            same_prompt=number != 0,
            constrained=RIGHT if number < 2 else text,
        )
        for number, text in enumerate(texts)
    ]
    next_tokens = [{7: likeliest, 8: 0.4}, {9: 1.0}]
    return FileMeasurement(load_s=0.5, peak_rss_mb=70.0, answers=answers, next_tokens=next_tokens)


MEASURED: dict[GgufType, FileMeasurement] = {
    "F16": _measured([RIGHT, RIGHT, RIGHT, WRONG]),
    "Q8_0": _measured([RIGHT, RIGHT, RIGHT, RIGHT]),
    "Q4_K_M": _measured([RIGHT, RIGHT, BROKEN, WRONG], likeliest=0.3),
}


@pytest.fixture
def rows(tmp_path: Path) -> list[EdgeReportRow]:
    split = write_split(tmp_path / "val.json", 4)
    return compare_files([_file(kind) for kind in MEASURED], MEASURED, split)


def _report(rows: list[EdgeReportRow]) -> EdgeReport:
    return EdgeReport(device="a processor", rows=rows, too_long=0, asked=MEASURED)


def test_quality_is_judged_against_the_expected_calls(rows: list[EdgeReportRow]) -> None:
    assert [row.exact_match for row in rows] == [0.75, 1.0, 0.5]
    assert [row.parse_rate for row in rows] == [1.0, 1.0, 0.75]
    assert [row.same_as_baseline for row in rows] == [1.0, 0.75, 0.75]
    assert all(row.exact_low < row.exact_match <= row.exact_high for row in rows)


def test_latency_and_speed_come_from_the_answers(rows: list[EdgeReportRow]) -> None:
    row = rows[0]
    assert row.first_token_p50_s == pytest.approx(0.025)
    assert row.first_token_p95_s == pytest.approx(0.0385)
    assert row.tokens_per_second == pytest.approx(100)
    assert row.prompt_tokens_per_second == pytest.approx(4 * 50 / 0.1)
    assert row.same_prompts == 0.75
    assert row.table_row()["first_token_p50_ms"] == pytest.approx(25)
    assert _report(rows).headline()["Q4_K_M_exact_match"] == 0.5


def test_a_file_is_compared_with_f16_row_by_row_and_token_by_token(rows: list[EdgeReportRow]) -> None:
    assert [(row.loss, row.only_baseline, row.only_this) for row in rows] == [(0, 0, 0), (-0.25, 0, 1), (0.25, 1, 0)]
    assert [row.kind for row in _report(rows).quantised()] == ["Q8_0", "Q4_K_M"]
    assert [row.top_1_agreement for row in rows] == [1.0, 1.0, 0.5]
    assert [row.kl == pytest.approx(0, abs=1e-9) for row in rows] == [True, True, False]


def test_answers_with_a_grammar_are_judged_beside_the_free_ones(rows: list[EdgeReportRow]) -> None:
    assert [row.constrained_exact_match for row in rows] == [0.75, 1.0, 0.5]


def test_answers_with_text_are_counted() -> None:
    report = EdgeReport(device="a processor", rows=[], too_long=0, asked={"F16": _measured(["", RIGHT, ""])})
    assert report.answers_with_text() == {"F16": 1}


def test_the_report_is_read_back_as_it_was_written(rows: list[EdgeReportRow]) -> None:
    report = _report(rows)
    assert EdgeReport.model_validate(report.model_dump(mode="json")) == report


def test_the_picture_is_a_png(rows: list[EdgeReportRow]) -> None:
    assert draw(rows).startswith(b"\x89PNG")


def test_a_model_that_never_speaks_is_told(tmp_path: Path) -> None:
    split = write_split(tmp_path / "val.json", 1)
    with pytest.raises(FcAssetsError, match=r"policy-F16\.gguf gave no answer longer than one token"):
        compare_files([_file("F16")], {"F16": _measured([""], tokens=1)}, split)
