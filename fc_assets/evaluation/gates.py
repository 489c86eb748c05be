"""What the evaluation must show before a policy may be promoted: each gate as a verdict on files already written.

Plain data in, plain verdicts out; the thresholds come from the profile. That a verdict blocks, and whom, is decided in
`checks`; how the numbers arise, in `comparison`, `parity` and `bfcl`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fc_assets.profiles import GateSettings, Thresholds

Results = Mapping[str, Any]
"""The content of the report's results.json."""

_EXACT = "exact_match"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a gate is passed, the sentence that says why, and the numbers that were compared."""

    passed: bool
    sentence: str
    numbers: Mapping[str, float | int | str | None]


def reaches_threshold(results: Results, variant: str, metric: str, thresholds: Thresholds) -> Verdict:
    """The metric's point estimate is at least its threshold. A metric that nobody could measure fails."""
    least = getattr(thresholds, metric)
    found = results["variants"][variant]
    value, (low, high) = found[metric], found["intervals"][metric]
    numbers = {"value": value, "low": low, "high": high, "threshold": least, "rows": found["rows_counted"][metric]}
    if value is None:
        return Verdict(False, f"No row of the validation split lets {metric} be measured for {variant}.", numbers)
    return Verdict(value >= least, f"{metric} of {variant} is {value:.3f}, at least {least:.3f} is asked.", numbers)


def is_better(results: Results, first: str, second: str, significance: float) -> Verdict:
    """`second` has more exact matches than `first`, by the exact McNemar test after Holm's correction."""
    found = _comparison(results, first, second)
    p_value = found["p_holm"]
    passed = found["difference"] is not None and found["difference"] > 0 and p_value < significance
    return Verdict(passed, f"{_difference(found)}, p = {p_value:.2g} (asked: below {significance:g}).", _numbers(found))


def is_not_worse(results: Results, first: str, second: str, margin: float) -> Verdict:
    """`second` loses at most `margin` of exact match against `first`, as a point estimate.

    Whether non-inferiority is also proven, that is whether the whole interval lies above the margin, is told beside it.
    """
    return _loses_little(_comparison(results, first, second), margin)


def is_not_worse_than_champion(duel: Mapping[str, Any], promoted: str, margin: float) -> Verdict:
    """The policy loses at most `margin` of exact match against the promoted one, whose digest is `promoted` ("": none).

    `duel` is what `champion.duel` found. A champion that was promoted only afterwards has not been met: that fails.
    """
    if not promoted:
        return Verdict(True, "No policy has been promoted yet, so there is no champion to lose to.", {})
    if promoted == duel["policy"]:
        return Verdict(True, "This policy is the promoted one itself.", {})
    champion = duel["champion"]
    if champion is None or champion["policy"] != promoted:
        sentence = (
            f"Policy {promoted[:16]} was promoted after these predictions were made: materialise predictions/grpo and "
            "eval_report again, so that the two are compared."
        )
        return Verdict(False, sentence, {})
    if champion["unasked"]:
        sentence = (
            f"The promoted policy {promoted[:16]} could not be asked: {champion['unasked']}. Mend that and materialise "
            "predictions/grpo again; if its release is gone for good, promote by hand with a reason."
        )
        return Verdict(False, sentence, {})
    test = next(test for test in champion["tests"] if test["metric"] == _EXACT)
    return _loses_little(test, margin)


def _loses_little(found: Mapping[str, Any], margin: float) -> Verdict:
    difference, low = found["difference"], found["low"]
    passed = difference is not None and difference >= -margin
    proven = low is not None and low >= -margin
    sentence = (
        f"{_difference(found)}, p = {found['p_holm']:.2g}; {margin:g} may be lost. "
        f"Non-inferiority is {'' if proven else 'not '}proven at 95 %."
    )
    return Verdict(passed, sentence, {**_numbers(found), "margin": margin, "proven": str(proven).lower()})


def keeps_silence(results: Results, variant: str, reference: str, margin: float) -> Verdict:
    """The variant answers rows that expect no call at most `margin` worse than the reference does."""
    own, other = (results["variants"][name]["irrelevance_accuracy"] for name in (variant, reference))
    numbers = {"value": own, reference: other, "margin": margin}
    if own is None or other is None:
        return Verdict(False, "No row expects silence; set data.irrelevance_share above 0 and split again.", numbers)
    sentence = f"Irrelevance accuracy of {variant} is {own:.3f}, of {reference} {other:.3f}; {margin:g} may be lost."
    return Verdict(own >= other - margin, sentence, numbers)


def was_answered(summary: Mapping[str, Any], max_failed_share: float) -> Verdict:
    """Hardly any row stayed without an answer for reasons of the infrastructure."""
    rows, failed = summary["rows"], summary["failed"]
    sentence = f"{failed} of {rows} rows stayed without an answer; a share of {max_failed_share:g} may."
    return Verdict(
        rows > 0 and failed <= max_failed_share * rows,
        sentence,
        {"rows": rows, "failed": failed, "too_long": summary["too_long"], "cut": summary["cut"]},
    )


def has_parity(parity: Mapping[str, Any]) -> Verdict:
    """The server built the very token ids that training saw, for every row that was compared."""
    numbers = {"rows": parity["rows"], "equal": parity["equal"]}
    if parity["unmeasured"]:
        return Verdict(False, f"Template parity was not measured: {parity['unmeasured']}.", numbers)
    sentence = f"{parity['equal']} of {parity['rows']} prompts have the token ids that training saw."
    for difference in parity["differences"][:1]:
        sentence += (
            f" Row {difference['id']} differs at token {difference['position']}: served {difference['served']!r}, "
            f"trained {difference['trained']!r}."
        )
    return Verdict(0 < parity["rows"] == parity["equal"], sentence, numbers)


def covers_bfcl(report: Mapping[str, Any], categories: tuple[str, ...]) -> Verdict:
    """In every prompt mode each category that was to be sampled was judged, and no row stayed without an answer."""
    judged, missing = 0, []
    for mode, found in report["modes"].items():
        totals = {score["category"]: score["total"] for score in found["categories"]}
        judged += sum(totals.values())
        missing += [f"{name} ({mode})" for name in categories if not totals.get(name)]
    asked = report["sampled"] * len(report["modes"])
    failed, too_long = (sum(found[name] for found in report["modes"].values()) for name in ("failed", "too_long"))
    sentence = f"{judged} of {asked} answers were judged" + (f"; none in {', '.join(missing)}." if missing else ".")
    numbers = {"asked": asked, "judged": judged, "failed": failed, "too_long": too_long}
    return Verdict(bool(report["modes"]) and not missing and not failed, sentence, numbers)


def parses_bfcl(report: Mapping[str, Any], gates: GateSettings) -> Verdict:
    """In the leading prompt mode enough of the answers to questions that expect a call hold one that parses."""
    share, least = next(iter(report["modes"].values()))["parse_share"], gates.min_bfcl_parse_rate
    numbers = {"value": share, "threshold": least}
    if share is None:
        return Verdict(False, "No sampled BFCL category expects a call.", numbers)
    return Verdict(
        share >= least, f"{share:.1%} of the answers hold a call that parses, {least:.1%} are asked.", numbers
    )


def _comparison(results: Results, first: str, second: str) -> Mapping[str, Any]:
    return next(
        found
        for found in results["comparisons"]
        if (found["first"], found["second"], found["metric"]) == (first, second, _EXACT)
    )


def _difference(found: Mapping[str, Any]) -> str:
    if found["difference"] is None:
        return f"No row was answered by both {found['first']} and {found['second']}"
    interval = "" if found["low"] is None else f" [{found['low']:+.3f}, {found['high']:+.3f}]"
    return f"Exact match of {found['second']} minus {found['first']} is {found['difference']:+.3f}{interval}"


def _numbers(found: Mapping[str, Any]) -> dict[str, float | int | str | None]:
    names = ("difference", "low", "high", "p_value", "p_holm", "pairs", "only_first", "only_second", "detectable")
    return {name: found[name] for name in names}
