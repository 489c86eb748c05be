"""The few numbers that the page shows of a matrix."""

from fc_assets.load_test.findings.headline import at_slo, headline
from fc_assets.profiles import load_profile


def test_headline_numbers_are_the_worst_at_the_slo() -> None:
    slo = load_profile("demo").benchmark.slo.model_copy(update={"at_concurrency": 2})

    def row(level: int, ttft: float) -> dict:
        numbers = {"ttft_p95_s": ttft, "tpot_p95_s": 0.1, "error_rate": 0.0}
        return {"kind": "closed", "concurrency": level, "output_tokens_per_s": 5.0, "goodput_per_s": 1.0, **numbers}

    assert at_slo([row(1, 9.0), row(2, 0.2), row(2, 0.4)], slo)["ttft_p95_s"] == 0.4
    assert "ttft_p95_s" not in at_slo([row(1, 9.0)], slo)


def test_a_cell_is_shown_in_milliseconds_and_without_figures_that_it_has_not() -> None:
    times = {name: 0.01234 for name in ("ttft_p50_s", "ttft_p95_s", "tpot_p95_s", "e2e_p50_s", "e2e_p95_s")}
    rates = {"requests_per_s": 2.0, "output_tokens_per_s": 64.04, "goodput_per_s": 1.5, "tool_call_goodput_per_s": None}
    shown = headline({"cell": "closed-c1-ctx16", **times, **rates, "error_rate": 0.25, "client_limited": False})
    assert shown["TTFT P95 ms"] == 12.3
    assert shown["output tokens/s"] == 64.0
    assert "tool-call goodput/s" not in shown
    assert shown["failed"] == 0.25
