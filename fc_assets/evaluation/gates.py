"""What the evaluation must show before a policy may be promoted: each gate as a verdict on files already written.

Plain data in, plain verdicts out. That a verdict blocks, which asset, and by which setting, is decided in `checks`; how
the numbers arise, in `report`, `inference.parity`, `bfcl` and `champion`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fc_assets.evaluation.bfcl.model import BfclReport
from fc_assets.evaluation.champion import ChampionComparison
from fc_assets.evaluation.inference.parity import Parity
from fc_assets.evaluation.inference.predictions import AnswerSummary
from fc_assets.evaluation.report.model import PairedTest
from fc_assets.names import EVAL_REPORT, SHIPPED_VARIANT, predictions

Results = Mapping[str, Any]
"""The content of the report's results.json."""

Numbers = Mapping[str, float | int | str | None]
"""What was compared, for the page."""

_EXACT = "exact_match"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a gate is passed, the sentence that says why, and the numbers that were compared."""

    passed: bool
    sentence: str
    numbers: Numbers


def reaches_threshold(results: Results, variant: str, metric: str, least: float) -> Verdict:
    """The metric's point estimate is at least its threshold. A metric that could not be measured fails."""
    found = results["variants"][variant]
    value, (low, high) = found[metric], found["intervals"][metric]
    return _at_least(
        value,
        least,
        lambda value: f"{metric} of {variant} is {value:.3f}, at least {least:.3f} is asked.",
        f"No row of the validation split lets {metric} be measured for {variant}.",
        {"value": value, "low": low, "high": high, "rows": found["rows_counted"][metric]},
    )


def reaches_threshold_on(results: Results, stratum: str, variant: str, metric: str, least: float) -> Verdict:
    """The same on a stratum of the rows. One without a row fails: nothing was shown."""
    found = results["strata"].get(stratum, {}).get(variant, {}).get(metric) or {}
    value = found.get("value")
    return _at_least(
        value,
        least,
        lambda value: f"{metric} of {variant} on {stratum} is {value:.3f}, at least {least:.3f} is asked.",
        f"No row of the validation split lets {metric} of {variant} be measured on {stratum}; raise the weight of "
        "data.own_tools, or evaluation.max_rows.",
        {"value": value, **{name: found.get(name) for name in ("low", "high", "rows")}},
    )


def is_better(results: Results, first: str, second: str, significance: float) -> Verdict:
    """`second` has more exact matches than `first`, by the exact McNemar test after Holm's correction."""
    test = _exact_test(results, first, second)
    p_value = 1.0 if test.p_holm is None else test.p_holm
    passed = test.difference is not None and test.difference > 0 and p_value < significance
    return Verdict(passed, f"{_difference(test)}, p = {p_value:.2g} (asked: below {significance:g}).", _numbers(test))


def gains(results: Results, first: str, second: str, least: float) -> Verdict:
    """The whole 95 % interval of what `second` gains in exact match over `first` lies above `least`.

    A policy that answers as the one it was trained from has the interval [0, 0], and so passes only below 0.
    """
    test = _exact_test(results, first, second)
    passed = test.low is not None and test.low > least
    sentence = f"{_difference(test)}; the interval must lie above {least:+g}"
    allowed = ", so that a policy without a gain is promoted too" if least < 0 else ""
    return Verdict(passed, f"{sentence}{allowed}.", _numbers(test))


def can_be_beaten(results: Results, base: str, least: float) -> Verdict:
    """Enough of the base model's answers parse leniently: to be better than one that was asked wrongly is nothing."""
    value = results["variants"][base]["parse_rate_lenient"]
    return _at_least(
        value,
        least,
        lambda value: (
            f"{value:.1%} of the answers of {base} parse leniently, {least:.1%} are asked; where they are fewer, look "
            "at its chat template before anything is compared with it."
        ),
        f"No row was answered by {base}.",
        {"value": value},
    )


def is_not_worse(results: Results, first: str, second: str, margin: float) -> Verdict:
    """`second` loses at most `margin` of exact match against `first`, as a point estimate.

    Beside it stands whether non-inferiority is also proven, that is whether the whole interval lies above the margin.
    """
    return _loses_little(_exact_test(results, first, second), margin)


def is_not_worse_than_champion(found: ChampionComparison, promoted: str, margin: float) -> Verdict:
    """The policy loses at most `margin` of exact match against the promoted one, whose digest is `promoted` ("": none).

    A champion that was promoted only after the comparison was made has not been compared with: that fails.
    """
    if promoted in ("", found.policy):
        # The same sentence for both: a release records it, and promoting the same policy again gives the same release.
        return Verdict(True, "No other policy is promoted, so there is no champion to lose to.", {})
    champion, answers = found.champion, predictions(SHIPPED_VARIANT)
    if champion is None or champion.policy != promoted:
        sentence = (
            f"Policy {promoted[:16]} was promoted after these predictions were made: materialise {answers} and "
            f"{EVAL_REPORT} again, so that the two are compared."
        )
        return Verdict(False, sentence, {})
    if champion.unasked:
        sentence = (
            f"The promoted policy {promoted[:16]} could not be asked: {champion.unasked}. Mend that and materialise "
            f"{answers} again; if its release is gone for good, promote by hand with a reason."
        )
        return Verdict(False, sentence, {})
    return _loses_little(next(test for test in champion.tests if test.metric == _EXACT), margin)


def _loses_little(test: PairedTest, margin: float) -> Verdict:
    passed = test.difference is not None and test.difference >= -margin
    proven = test.low is not None and test.low >= -margin
    sentence = (
        f"{_difference(test)}, p = {test.p_holm:.2g}; {margin:g} may be lost. "
        f"Non-inferiority is {'' if proven else 'not '}proven at 95 %."
    )
    return Verdict(passed, sentence, {**_numbers(test), "proven": str(proven).lower()})


def keeps_silence(results: Results, variant: str, reference: str, margin: float) -> Verdict:
    """The variant answers rows that expect no call at most `margin` worse than the reference does."""
    own, other = (results["variants"][name]["irrelevance_accuracy"] for name in (variant, reference))
    return _at_least(
        own if other is not None else None,
        (other or 0.0) - margin,
        lambda own: (
            f"Irrelevance accuracy of {variant} is {own:.3f}, of {reference} {other:.3f}; {margin:g} may be lost."
        ),
        "No row expects silence; set data.irrelevance_share above 0 and split again.",
        {"value": own, reference: other},
    )


def was_answered(summary: AnswerSummary, max_failed_share: float) -> Verdict:
    """Hardly any row stayed without an answer for reasons of the infrastructure."""
    rows, failed = summary.rows, summary.failed
    sentence = f"{failed} of {rows} rows stayed without an answer; a share of {max_failed_share:g} may."
    return Verdict(
        rows > 0 and failed <= max_failed_share * rows,
        sentence,
        {"rows": rows, "failed": failed, "too_long": summary.too_long, "cut": summary.cut},
    )


def has_parity(parity: Parity) -> Verdict:
    """The server built the very token ids that training saw, for every row that was compared."""
    numbers = {"rows": parity.rows, "equal": parity.equal}
    if parity.control_rows:
        numbers |= {"control_text_rows": parity.control_rows, "control_text_equal": parity.control_equal}
    if parity.unmeasured:
        return Verdict(False, f"Template parity was not measured: {parity.unmeasured}.", numbers)
    sentence = f"{parity.equal} of {parity.rows} prompts have the token ids that training saw."
    if parity.control_rows:
        sentence += (
            f" Of {parity.control_rows} prompts with text that looks like a mark of the chat template, "
            f"{parity.control_equal} reach the model as text (docs/control-tokens.md)."
        )
    for difference in parity.differences[:1]:
        sentence += (
            f" Row {difference.id} differs at token {difference.position}: served {difference.served!r}, "
            f"trained {difference.trained!r}."
        )
    return Verdict(0 < parity.rows == parity.equal, sentence, numbers)


def covers_bfcl(report: BfclReport, categories: tuple[str, ...]) -> Verdict:
    """In every prompt mode each category that was to be sampled was judged, and hardly any row stayed without an
    answer: no larger a share than the run allowed."""
    judged, missing = 0, []
    for mode, found in report.modes.items():
        totals = {score.category: score.total for score in found.categories}
        judged += sum(totals.values())
        missing += [f"{name} ({mode})" for name in categories if not totals.get(name)]
    asked = report.sampled * len(report.modes)
    names = ("failed", "too_long", "cut")
    failed, too_long, cut = (sum(getattr(found, name) for found in report.modes.values()) for name in names)
    sentence = f"{judged} of {asked} answers were judged" + (f"; none in {', '.join(missing)}." if missing else ".")
    numbers = {"asked": asked, "judged": judged, "failed": failed, "too_long": too_long, "cut": cut}
    answered = failed <= report.max_failed_share * asked
    return Verdict(bool(report.modes) and not missing and answered, sentence, numbers)


def parses_bfcl(report: BfclReport, least: float) -> Verdict:
    """In the leading prompt mode enough of the answers to questions that expect a call hold one that parses."""
    share = next(iter(report.modes.values())).parse_share
    return _at_least(
        share,
        least,
        lambda share: f"{share:.1%} of the answers hold a call that parses, {least:.1%} are asked.",
        "No sampled BFCL category expects a call.",
        {"value": share},
    )


def is_right_on_bfcl(report: BfclReport, least: float) -> Verdict:
    """In the leading prompt mode the official checker finds enough of the rows right that expect a call.

    The categories of irrelevance do not count: a model that never says anything is right on all of them.
    """
    leading = next(iter(report.modes.values())).categories
    calling = [score for score in leading if not score.category.endswith("irrelevance")]
    right, rows = (sum(getattr(score, name) for score in calling) for name in ("correct", "total"))
    return _at_least(
        right / rows if rows else None,
        least,
        lambda share: f"{right} of {rows} rows that expect a call are right, a share of {least:g} is asked.",
        "No sampled BFCL category expects a call.",
        {"right": right, "rows": rows},
    )


def _at_least(
    value: float | None, least: float, sentence: Callable[[float], str], unmeasured: str, numbers: Numbers
) -> Verdict:
    """One number against one threshold; a number that is missing fails with the sentence `unmeasured`."""
    if value is None:
        return Verdict(False, unmeasured, numbers)
    vacuous = " A bar of 0 holds nothing back." if least <= 0 else ""
    return Verdict(value >= least, sentence(value) + vacuous, numbers)


def _exact_test(results: Results, first: str, second: str) -> PairedTest:
    tests = (PairedTest(**found) for found in results["comparisons"])
    return next(test for test in tests if (test.first, test.second, test.metric) == (first, second, _EXACT))


def _difference(test: PairedTest) -> str:
    if test.difference is None:
        return f"No row was answered by both {test.first} and {test.second}"
    interval = "" if test.low is None or test.high is None else f" [{test.low:+.3f}, {test.high:+.3f}]"
    return f"Exact match of {test.second} minus {test.first} is {test.difference:+.3f}{interval}"


def _numbers(test: PairedTest) -> Numbers:
    names = ("difference", "low", "high", "p_value", "p_holm", "pairs", "only_first", "only_second", "detectable")
    return {name: getattr(test, name) for name in names}
