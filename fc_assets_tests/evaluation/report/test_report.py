"""The report: its numbers against a hand count, and the files that it becomes."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from fc_assets.calls.metrics import METRICS
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import FAILED
from fc_assets.evaluation.report.build import build_report
from fc_assets.evaluation.report.model import Report
from fc_assets.evaluation.report.origin import Origin, origin_of_files
from fc_assets.evaluation.report.render import all_metrics, headline
from fc_assets.evaluation.report.rows import NO_ANSWER, OVER_CALLED, RIGHT
from fc_assets.evaluation.report.write import results, write_report
from fc_assets.evaluation.scoring import ScoringRow, score_rows
from fc_assets.evaluation.taxonomy import CATEGORIES
from fc_assets_tests.support.scoring_rows import rows_with_errors
from fc_assets_tests.support.tools import TOOLS, WEIGHTS, weather

SAMPLES = 500
ORIGIN = Origin({"model": "Qwen3"})
ROWS = 200


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    """Three variants of falling error; one row of SFT never got its answer."""
    shares = {"grpo": 0.05, "base": 0.9, "sft": 0.4}  # out of order: the report sorts them
    made = {}
    for variant, share in shares.items():
        rows = rows_with_errors(ROWS, share)
        made[variant] = score_rows(
            [_failed(row) if variant == "sft" and row.id == "5" else row for row in rows], WEIGHTS
        )
    return made


def _failed(row: ScoringRow) -> ScoringRow:
    return replace(row, text="", finish_reason=FAILED)


@pytest.fixture(scope="module")
def report(frames: dict[str, pd.DataFrame]) -> Report:
    return build_report(
        frames, WEIGHTS, samples=SAMPLES, extra_tables={"BFCL": [{"variant": "Base", "ST3": float("nan")}]}
    )


def test_values_are_those_of_a_hand_count(report: Report, frames: dict[str, pd.DataFrame]) -> None:
    assert report.variants == ("base", "sft", "grpo")
    frame = frames["base"]
    found = report.metrics["base"]
    assert found["exact_match"].value == pytest.approx(frame["exact"].mean())
    expecting = frame[frame["expects_call"] == 1]
    assert found["schema_hit"].value == pytest.approx(expecting["schema_ok"].mean())
    assert found["schema_hit"].rows == len(expecting)
    hits, pairs = frame["pairs_hit"].sum(), frame["pairs_emitted"].sum() + frame["pairs_expected"].sum()
    assert found["param_f1"].value == pytest.approx(2 * hits / pairs)
    for metric in METRICS:
        estimate = found[metric.name]
        if not estimate.rows:
            assert estimate.value is None, metric.name  # no tool of these rows is a stub
            continue
        assert estimate.low <= estimate.value <= estimate.high, metric.name
        assert report.gold[metric.name] == (1 if metric.higher_is_better else 0)


def test_a_row_without_an_answer_is_counted_not_judged(report: Report) -> None:
    assert report.counts["sft"].infrastructure_failures == 1
    assert report.metrics["sft"]["exact_match"].rows == ROWS - 1
    assert all(found.pairs == ROWS - 1 for found in report.comparisons)


def test_a_report_says_by_which_weights_its_reward_was_computed(tmp_path: Path) -> None:
    weights = {**dict.fromkeys(WEIGHTS, 0.0), "json_parse": 2.0}
    frame = score_rows(rows_with_errors(20, 0.0), weights)
    write_report(build_report({"sft": frame}, weights, samples=50), tmp_path, ORIGIN)
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["reward_weights"] == weights != WEIGHTS
    assert found["variants"]["sft"]["reward"] == 2.0, "a right answer earns what these weights give it"


def test_neighbours_are_compared(report: Report, frames: dict[str, pd.DataFrame]) -> None:
    assert [(found.first, found.second, found.metric) for found in report.comparisons] == [
        ("base", "sft", "exact_match"),
        ("base", "sft", "param_f1"),
        ("sft", "grpo", "exact_match"),
        ("sft", "grpo", "param_f1"),
    ]
    exact = report.comparisons[2]
    both = frames["sft"].merge(frames["grpo"], on="id").dropna(subset=["exact_x", "exact_y"])
    assert exact.only_first == ((both["exact_x"] == 1) & (both["exact_y"] == 0)).sum()
    assert exact.only_second == ((both["exact_x"] == 0) & (both["exact_y"] == 1)).sum()
    assert exact.difference == pytest.approx((both["exact_y"] - both["exact_x"]).mean())
    assert exact.low < exact.difference < exact.high and exact.p_value < exact.p_holm < 0.01 and exact.detectable > 0


def test_an_arm_is_compared_with_its_origin_and_the_shipped_one_and_makes_no_other_test_stricter(
    report: Report, frames: dict[str, pd.DataFrame]
) -> None:
    arm = score_rows(rows_with_errors(ROWS, 0.2), WEIGHTS)
    found = build_report({"dpo": arm, **frames}, WEIGHTS, samples=SAMPLES)
    assert found.variants == ("base", "sft", "grpo", "dpo")
    assert [(test.first, test.second) for test in found.comparisons[4::2]] == [("sft", "dpo"), ("grpo", "dpo")]
    exact = [test for test in found.comparisons if test.metric == "exact_match"]
    corrected = [(test.first, test.second, test.p_value, test.p_holm) for test in exact]
    assert corrected[:2] == [
        (test.first, test.second, test.p_value, test.p_holm)
        for test in report.comparisons
        if test.metric == "exact_match"
    ]
    assert exact[2].difference > 0 > exact[3].difference
    assert "SFT+DPO" in headline(found)[0]


def test_strata_add_up(report: Report) -> None:
    kinds = [report.strata[kind]["grpo"]["exact_match"].rows for kind in ("one call", "parallel calls", "no call")]
    assert sum(kinds) == ROWS
    assert report.strata["no call"]["base"]["param_f1"].value is None, "nothing is expected: any F1 would be 0"
    seen = [report.strata[f"tools {word} in training"]["grpo"]["exact_match"].rows for word in ("seen", "not seen")]
    assert sum(seen) == ROWS
    assert "near-duplicates" not in report.strata  # nobody knows


def test_failures_add_up_and_have_examples(report: Report) -> None:
    for variant in report.variants:
        exact = report.metrics[variant]["exact_match"]
        assert sum(report.failures[variant].values()) == round(exact.rows * (1 - exact.value))
        for category, count in report.failures[variant].items():
            assert len(report.examples[variant][category]) == min(3, report.occurrences[variant][category])
            assert count <= report.occurrences[variant][category] <= report.counts[variant].failed_rows


def test_a_failure_that_never_comes_first_has_examples_too() -> None:
    text = answer_text([weather("Atlantis", x=1)])
    rows = [ScoringRow(str(number), "Paris?", json.dumps(TOOLS), (weather("Paris"),), text) for number in range(5)]
    report = build_report({"mine": score_rows(rows, WEIGHTS)}, WEIGHTS, samples=50)
    assert report.failures["mine"]["hallucinated value"] == 0 and report.occurrences["mine"]["hallucinated value"] == 5
    shown = report.examples["mine"]["hallucinated value"]
    assert [example.id for example in shown] == ["0", "1", "2"] and "Atlantis" in shown[0].detail
    assert "x is not declared" in report.examples["mine"]["extra argument"][0].detail


def test_two_reports_of_the_same_rows_are_equal(report: Report, frames: dict[str, pd.DataFrame]) -> None:
    again = build_report(frames, WEIGHTS, samples=SAMPLES)
    assert results(again)["variants"] == results(report)["variants"]


class _Page(HTMLParser):
    """Collects what a page refers to, and the tags that were not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_files(report: Report, tmp_path: Path) -> None:
    files = write_report(report, tmp_path, ORIGIN)
    assert sorted(files) == sorted(path.name for path in tmp_path.iterdir())
    data = json.loads(files["results.json"].read_text(), parse_constant=pytest.fail)
    seed_names = {"parse_rate", "schema_hit", "param_f1", "function_name_accuracy", "exec_rate", "semantic_consistency"}
    assert seed_names | {"exact_match", "irrelevance_accuracy"} <= data["variants"]["grpo"].keys()
    assert data["extra_tables"]["BFCL"][0]["ST3"] is None
    predictions = pd.read_parquet(files["predictions.parquet"])
    assert len(predictions) == 3 * ROWS and {"id", "variant", "text", "expected", "exact"} <= set(predictions.columns)
    page = _Page()
    page.feed(files["report.html"].read_text())
    assert page.open == []
    assert page.references and all(reference.startswith("data:image/png;base64,") for reference in page.references)
    text = files["report.md"].read_text()
    assert "| Exact match |" in text and "SFT+GRPO is better than SFT on exact match" in text
    assert files["metrics.png"].read_bytes().startswith(b"\x89PNG")


def test_hostile_text_stays_text(frames: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    frame = frames["base"].copy()
    frame["text"] = "<script>alert(1)</script> | `x` {body}"
    files = write_report(build_report({"base": frame}, WEIGHTS, samples=50), tmp_path, ORIGIN)
    assert "<script>alert" not in files["report.html"].read_text()


def test_the_page_holds_every_row_with_all_answers(
    report: Report, frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    page = write_report(report, tmp_path, ORIGIN)["report.html"].read_text()
    found = re.search(r'id="rows-data">([^<]*)<', page)
    assert found, "nothing in the data can end its element"
    data = json.loads(zlib.decompress(base64.b64decode(found[1])))
    assert data["variants"] == ["Base", "SFT", "SFT+GRPO"] and data["changes"] == [[0, 1], [1, 2]]
    assert [row["id"] for row in data["rows"]] == list(frames["base"]["id"])
    assert {part for parts in data["kinds"].values() for part in parts} == {*CATEGORIES, NO_ANSWER, OVER_CALLED}
    for place, variant in enumerate(report.variants):
        for row, judged in zip(data["rows"], frames[variant].to_dict("records"), strict=True):
            answer = row["answers"][place]
            assert answer["text"] == judged["text"] and answer["failures"] == json.loads(judged["failures"])
            assert (answer["is"] == [RIGHT]) == (judged["exact"] == 1)
            assert data["tools"][row["tools"]] == json.loads(judged["tools"])
    lost = next(row for row in data["rows"] if row["id"] == "5")["answers"][1]
    assert lost["is"] == [NO_ANSWER] and set(lost["verdicts"].values()) == {None}


def test_a_report_from_files_says_which_ones(tmp_path: Path, report: Report) -> None:
    origin = origin_of_files({"predictions": Path("/home/somebody/mine.jsonl")})
    page = write_report(report, tmp_path, origin)["report.html"].read_text()
    assert "<dd>mine.jsonl</dd>" in page and "somebody" not in page and 'id="demo"' not in page


def test_one_variant_alone_and_a_perfect_one(tmp_path: Path) -> None:
    report = build_report({"mine": score_rows(rows_with_errors(30, 0.0), WEIGHTS)}, WEIGHTS, samples=50)
    assert report.comparisons == [] and report.metrics["mine"]["exact_match"].value == 1
    shown = {record["metric"]: str(record["mine"]) for record in all_metrics(report)}
    assert shown.pop("exec_rate_stub") == "–"  # noqa: RUF001  # every tool of these rows runs
    assert {text.split()[0] for text in shown.values()} == {"1.000", "0.000"}
    assert all(text.endswith("]") for text in shown.values())
    write_report(report, tmp_path, ORIGIN)


def test_the_first_table_is_narrow_and_says_what_the_whole_one_says(report: Report) -> None:
    """Three variants beside the metrics' names must be seen at once on a page of 1,440 pixels."""
    (row,) = (record for record in headline(report) if record["metric"] == "exact match")
    whole = report.metrics["base"]["exact_match"]
    assert whole.value is not None and whole.low is not None and whole.high is not None
    value, half = str(row["Base"]).split("±")
    assert float(value) == pytest.approx(whole.value, abs=5e-4)
    assert float(half) == pytest.approx((whole.high - whole.low) / 2, abs=5e-4)
    texts = [str(record[column]) for record in headline(report) for column in record]
    assert max(map(len, texts)) <= len("function name")
    assert max(len(str(record[name])) for record in headline(report) for name in ("Base", "SFT")) <= len(".500±.050")


def test_the_first_table_has_the_ceiling_only_where_the_data_set_one(report: Report) -> None:
    assert all("ceiling" not in record for record in headline(report))
    limited = replace(report, gold={**report.gold, "schema_hit": 0.9})
    ceilings = {str(record["metric"]): record["ceiling"] for record in headline(limited)}
    assert (ceilings["schema hit"], ceilings["exact match"]) == (".900", "1.00")


def test_variants_must_be_about_the_same_rows(frames: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(FcAssetsError, match="other rows"):
        build_report({"base": frames["base"], "sft": frames["sft"].iloc[1:]}, WEIGHTS, samples=50)
    with pytest.raises(FcAssetsError, match="twice"):
        build_report({"base": pd.concat([frames["base"]] * 2)}, WEIGHTS, samples=50)
