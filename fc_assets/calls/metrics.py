"""Every metric of docs/metrics.md: the counts that one row contributes, and the metrics as ratios of their sums.

Each metric is a ratio of two linear sums over rows. So the same definition serves one row, a stratum, and a bootstrap
sample. Intervals and tests of significance belong to `evaluation.report`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fc_assets.calls.call import Call, Tool
from fc_assets.calls.grounding import grounded_leaves
from fc_assets.calls.judge import Judgement, judge
from fc_assets.calls.match import match_calls
from fc_assets.calls.parse import parse_lenient
from fc_assets.calls.rewards import rewards_of
from fc_assets.calls.tools.execution import runs_in_world, same_effect


@dataclass(frozen=True, slots=True)
class RowScore:
    """What one row contributes to every metric. Flags are 0 or 1; counts are of calls, key-value pairs, leaf values."""

    rows: int
    cut: int
    expects_call: int
    expects_none: int
    parse_ok: int
    parse_ok_lenient: int
    names_ok: int
    names_hit: int
    names_emitted: int  # a malformed block counts as a call of a name that nobody can read
    names_expected: int
    pairs_hit: int
    pairs_emitted: int
    pairs_expected: int
    param_f1: float
    pairs_hit_lenient: int
    pairs_emitted_lenient: int
    pairs_expected_lenient: int
    schema_ok: int
    calls_valid: int
    calls_emitted: int
    expects_world: int  # every expected call is of a tool that runs in the world
    expects_stub: int
    exec_ok: int
    exec_ok_world: int
    exec_ok_stub: int
    exec_match: int
    exact: int
    exact_lenient: int
    leaves_grounded: int
    leaves: int
    kept_silent: int
    over_called: int
    reward_json_parse: float
    reward_schema_hit: float
    reward_simulated_exec: float
    reward_semantic_match: float
    reward: float


COLUMNS: tuple[str, ...] = tuple(RowScore.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: a weighted sum of RowScore columns over another.

    `share` says that each row counts 0 or 1 of one, so that a Wilson interval applies; others need the bootstrap.
    """

    name: str
    label: str
    numerator: Mapping[str, float]
    denominator: Mapping[str, float]
    share: bool = True
    higher_is_better: bool = True

    def value(self, sums: Mapping[str, float]) -> float | None:
        """The metric from column sums; None where no row counts."""
        below = sum(weight * sums[column] for column, weight in self.denominator.items())
        return sum(weight * sums[column] for column, weight in self.numerator.items()) / below if below else None


def _share(name: str, label: str, column: str, of: str = "rows", higher_is_better: bool = True) -> Metric:
    return Metric(name, label, {column: 1}, {of: 1}, share=True, higher_is_better=higher_is_better)


def _ratio(name: str, label: str, numerator: Mapping[str, float], denominator: Mapping[str, float]) -> Metric:
    return Metric(name, label, numerator, denominator, share=False)


def _f1(name: str, label: str, what: str, suffix: str = "") -> Metric:
    hit, emitted, expected = (f"{what}_{part}{suffix}" for part in ("hit", "emitted", "expected"))
    return _ratio(name, label, {hit: 2}, {emitted: 1, expected: 1})


METRICS: tuple[Metric, ...] = (
    _share("parse_rate", "Parse rate", "parse_ok"),
    _share("cut_rate", "Cut answers", "cut", higher_is_better=False),
    _share("parse_rate_lenient", "Parse rate, lenient", "parse_ok_lenient"),
    _share("function_name_accuracy", "Function-name accuracy", "names_ok"),
    _f1("function_name_f1", "Function-name F1 (micro)", "names"),
    _ratio("param_precision", "Parameter precision", {"pairs_hit": 1}, {"pairs_emitted": 1}),
    _ratio("param_recall", "Parameter recall", {"pairs_hit": 1}, {"pairs_expected": 1}),
    _f1("param_f1", "Parameter F1 (micro)", "pairs"),
    _ratio("param_f1_macro", "Parameter F1 (macro)", {"param_f1": 1}, {"rows": 1}),
    _f1("param_f1_lenient", "Parameter F1, lenient", "pairs", "_lenient"),
    _share("schema_hit", "Schema hit rate", "schema_ok", of="expects_call"),
    _ratio("schema_hit_per_call", "Schema hit rate per call", {"calls_valid": 1}, {"calls_emitted": 1}),
    _share("exec_rate", "Exec rate", "exec_ok", of="expects_call"),
    _share("exec_rate_world", "Exec rate, tools that run", "exec_ok_world", of="expects_world"),
    _share("exec_rate_stub", "Exec rate, stubs", "exec_ok_stub", of="expects_stub"),
    _share("exec_match", "Exec match", "exec_match", of="expects_call"),
    _share("exact_match", "Exact match", "exact"),
    _share("exact_match_lenient", "Exact match, lenient", "exact_lenient"),
    _ratio("semantic_consistency", "Semantic consistency", {"leaves_grounded": 1}, {"leaves": 1}),
    _share("irrelevance_accuracy", "Irrelevance accuracy", "kept_silent", of="expects_none"),
    _share("over_call_rate", "Over-call rate", "over_called", of="expects_none", higher_is_better=False),
    _ratio("reward", "Mean reward", {"reward": 1}, {"rows": 1}),
    _ratio("reward_json_parse", "Reward: json_parse", {"reward_json_parse": 1}, {"rows": 1}),
    _ratio("reward_schema_hit", "Reward: schema_hit", {"reward_schema_hit": 1}, {"rows": 1}),
    _ratio("reward_simulated_exec", "Reward: simulated_exec", {"reward_simulated_exec": 1}, {"rows": 1}),
    _ratio("reward_semantic_match", "Reward: semantic_match", {"reward_semantic_match": 1}, {"rows": 1}),
)
METRIC_BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


def score_row(
    text: str, tools: Sequence[Tool] | str, expected: Sequence[Call], context: str, weights: Mapping[str, float]
) -> RowScore:
    """Score one answer. `context` is what the model was told (the query), in which values are grounded; `weights` are
    those of the reward signals in `reward`.

    Never raises for any `text`; raises FcAssetsError if a tool is malformed.
    """
    return score_judgement(judge(text, tools, expected), text, context, weights)


def score_judgement(
    judgement: Judgement, text: str, context: str, weights: Mapping[str, float], *, cut: bool = False
) -> RowScore:
    """The counts of a row that is already judged; `text` is the answer it was judged from, `cut` whether it ended at
    the limit of tokens."""
    calls, match, parsed = judgement.parsed.calls, judgement.match, judgement.parsed
    expects_call = bool(judgement.expected)
    valid = [judgement.tools.validates(call) for call in calls]
    speaks_well = expects_call and judgement.parse_ok
    in_world = runs_in_world(judgement.expected, judgement.tools)
    exec_ok = speaks_well and (_had_effect(judgement) if in_world else all(judgement.executed))
    grounded, leaves = grounded_leaves(calls, judgement.tools, context)
    lenient_parsed = parse_lenient(text) if parsed.malformed or not calls else parsed
    lenient = match  # calls that are equal strictly are equal leniently
    # Where none is expected, silence may be a call that only the lenient reading sees.
    if not judgement.exact or (lenient_parsed.calls and not calls):
        lenient = match_calls(lenient_parsed.calls, judgement.expected, judgement.tools, lenient=True)
    signals = rewards_of(judgement)
    silent = parsed.silent
    return RowScore(
        rows=1,
        cut=int(cut),
        expects_call=int(expects_call),
        expects_none=int(not expects_call),
        parse_ok=int(judgement.parse_ok),
        parse_ok_lenient=int(not lenient_parsed.malformed and (not expects_call or bool(lenient_parsed.calls))),
        names_ok=int(judgement.names_ok),
        names_hit=match.names_hit,
        names_emitted=len(calls) + parsed.malformed,
        names_expected=len(judgement.expected),
        pairs_hit=match.pairs_hit,
        pairs_emitted=match.pairs_emitted,
        pairs_expected=match.pairs_expected,
        param_f1=0.0 if parsed.malformed and not match.pairs_hit else match.pair_f1,  # silence is 1, a broken block 0
        pairs_hit_lenient=lenient.pairs_hit,
        pairs_emitted_lenient=lenient.pairs_emitted,
        pairs_expected_lenient=lenient.pairs_expected,
        schema_ok=int(speaks_well and all(valid)),
        calls_valid=sum(valid),
        calls_emitted=len(calls) + parsed.malformed,
        expects_world=int(in_world),
        expects_stub=int(expects_call and not in_world),
        exec_ok=int(exec_ok),
        exec_ok_world=int(exec_ok and in_world),
        exec_ok_stub=int(exec_ok and not in_world),
        exec_match=int(exec_ok and judgement.exact),
        exact=int(judgement.exact),
        exact_lenient=int(not lenient_parsed.malformed and lenient.perfect),
        leaves_grounded=grounded,
        leaves=leaves,
        kept_silent=int(not expects_call and silent),
        over_called=int(not expects_call and not silent),
        reward_json_parse=signals.json_parse,
        reward_schema_hit=signals.schema_hit,
        reward_simulated_exec=signals.simulated_exec,
        reward_semantic_match=signals.semantic_match,
        reward=signals.total(weights),
    )


def _had_effect(judgement: Judgement) -> bool:
    """Whether the calls did in the world what the expected ones do; a single one that is equal needs no run."""
    calls, expected = judgement.parsed.calls, judgement.expected
    if judgement.exact and len(calls) == 1:
        return True
    return judgement.names_ok and same_effect(calls, expected, judgement.tools)  # another tool returns another thing


def column_sums(scores: Iterable[RowScore]) -> dict[str, float]:
    """The sum of each column, from which every metric follows."""
    sums = dict.fromkeys(COLUMNS, 0.0)
    for score in scores:
        for column in COLUMNS:
            sums[column] += getattr(score, column)
    return sums


def aggregate(scores: Iterable[RowScore]) -> dict[str, float | None]:
    """Every metric by name over the rows; None for a metric that no row counts for."""
    sums = column_sums(scores)
    return {metric.name: metric.value(sums) for metric in METRICS}
