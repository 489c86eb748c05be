"""The plays of all variants as estimates with intervals, strata and paired tests, and as tables for people.

The formulae are in `evaluation.intervals`; what an episode counts is `scores`. What the gate makes of it is `gate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation import intervals
from fc_assets.evaluation.episodes.model import SUCCESS, EpisodeReport, VariantEpisodes
from fc_assets.evaluation.episodes.scores import EpisodeScore, score_play
from fc_assets.evaluation.inference.episode_play import Play, evaluation_episodes, read_plays
from fc_assets.evaluation.report.model import MetricEstimate, PairedTest, Table, label
from fc_assets.foundation.artifacts import Artifact
from fc_assets.names import EPISODE_PLAYS
from fc_assets.profiles import EvaluationSettings

if TYPE_CHECKING:
    from fc_assets.data.sources.episodes import Episode

TITLE = "Episodes"
TESTS_TITLE = "Episodes, paired tests"
TEXT = (
    "Whole conversations with tools that run, played against each model. Success: the world is as after the expected "
    "calls, and the answer holds what was asked for. Turn exact: answers that came as expected in their place. Wasted "
    "calls: those that nobody needed. Asks: the model asks for what is missing. 95 % intervals: Wilson's for success "
    "and asks, else the bootstrap's over episodes."
)

_COLUMNS = tuple(field.name for field in fields(EpisodeScore))
_SHARES = {SUCCESS: (SUCCESS, ""), "asks_when_needed": ("asked", "should_ask")}
_RATIOS = {"turn_exact": ("turns_right", "turns"), "wasted_calls": ("calls_wasted", "calls_made")}


def compare_episodes(predictions: Mapping[str, Artifact], settings: EvaluationSettings) -> EpisodeReport | None:
    """The comparison of the variants' plays, in the order of `predictions`; None where none were played.

    Each is tested against the one before it (exact McNemar on success, Holm-corrected). Raises FcAssetsError where
    plays are of other episodes than `settings` say.
    """
    if not settings.episodes:
        return None
    episodes = evaluation_episodes(settings)
    plays = {variant: _plays(artifact, episodes) for variant, artifact in predictions.items()}
    scores = {
        variant: [
            None if each.failed else score_play(episode, each, settings.episode_answers)
            for episode, each in zip(episodes, found, strict=True)
        ]
        for variant, found in plays.items()
    }
    return build_episode_report(episodes, scores, settings.bootstrap_samples, settings.seed)


def build_episode_report(
    episodes: Sequence[Episode], scores: Mapping[str, Sequence[EpisodeScore | None]], samples: int, seed: int
) -> EpisodeReport:
    """Estimates from scores, one for each episode; None for one without an answer for reasons of the infrastructure."""
    table = np.array(
        [[astuple(each) if each else (np.nan,) * len(_COLUMNS) for each in scores[variant]] for variant in scores],
        dtype=np.float64,
    )
    variants = {
        variant: VariantEpisodes(
            played=len(episodes),
            failed=int(np.isnan(table[place, :, 0]).sum()),
            metrics=_estimates(table[place], samples, seed),
            strata={stratum: _share(table[place][rows], SUCCESS) for stratum, rows in _strata(episodes).items()},
        )
        for place, variant in enumerate(scores)
    }
    tests = [
        _paired_test(first, second, table[place], table[place + 1], samples, seed)
        for place, (first, second) in enumerate(zip(list(scores), list(scores)[1:], strict=False))
    ]
    return EpisodeReport(variants=variants, tests=_corrected(tests))


def sections(report: EpisodeReport) -> dict[str, tuple[str, Table]]:
    """The comparison for people, by short name with title: metrics and strata by variant, and the paired tests."""
    return {
        "episodes": (
            TITLE,
            [
                {
                    "model": label(variant),
                    "episodes": found.played - found.failed,
                    **{name: _text(estimate) for name, estimate in found.metrics.items()},
                    **{f"success, {stratum}": estimate.value for stratum, estimate in found.strata.items()},
                }
                for variant, found in report.variants.items()
            ],
        ),
        "episode_tests": (TESTS_TITLE, [asdict(test) for test in report.tests]),
    }


def _plays(artifact: Artifact, episodes: Sequence[Episode]) -> list[Play]:
    file = artifact.path / EPISODE_PLAYS
    if not file.is_file():
        raise FcAssetsError(f"{artifact.asset} holds no episodes; materialise it again")
    return read_plays(file, episodes)


def _strata(episodes: Sequence[Episode]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, episode in enumerate(episodes):
        for stratum in (episode.kind, episode.language):
            found.setdefault(stratum, []).append(place)
    return dict(sorted(found.items()))


def _estimates(rows: np.ndarray, samples: int, seed: int) -> dict[str, MetricEstimate]:
    return {
        **{name: _share(rows, *columns) for name, columns in _SHARES.items()},
        **{name: _ratio(rows, *columns, samples, seed) for name, columns in _RATIOS.items()},
    }


def _share(rows: np.ndarray, hits: str, trials: str = "") -> MetricEstimate:
    """A share with Wilson's interval; of all judged episodes where no `trials` are named."""
    judged = _judged(rows)
    successes = int(judged[:, _COLUMNS.index(hits)].sum())
    count = int(judged[:, _COLUMNS.index(trials)].sum()) if trials else len(judged)
    interval = intervals.wilson(successes, count)
    if interval is None:
        return MetricEstimate(None, None, None, 0)
    return MetricEstimate(successes / count, interval.low, interval.high, count)


def _ratio(rows: np.ndarray, above: str, below: str, samples: int, seed: int) -> MetricEstimate:
    """A ratio of sums with the percentile interval of a bootstrap over episodes."""
    judged = _judged(rows)[:, [_COLUMNS.index(above), _COLUMNS.index(below)]]
    sums = judged.sum(axis=0)
    if not sums[1]:
        return MetricEstimate(None, None, None, 0)
    drawn = intervals.bootstrap_sums(judged, samples, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        interval = intervals.percentile_interval(drawn[:, 0] / drawn[:, 1])
    low, high = (interval.low, interval.high) if interval else (None, None)
    return MetricEstimate(float(sums[0] / sums[1]), low, high, len(judged))


def _paired_test(first: str, second: str, before: np.ndarray, after: np.ndarray, samples: int, seed: int) -> PairedTest:
    place = _COLUMNS.index(SUCCESS)
    both = ~np.isnan(before[:, place]) & ~np.isnan(after[:, place])
    left, right = before[both, place], after[both, place]
    only_first, only_second = int((left > right).sum()), int((right > left).sum())
    pairs = int(both.sum())
    drawn = intervals.bootstrap_sums((right - left)[:, None], samples, seed)[:, 0] / max(1, pairs)
    interval = intervals.percentile_interval(drawn) if pairs else None
    return PairedTest(
        first=first,
        second=second,
        metric=SUCCESS,
        difference=float((right - left).mean()) if pairs else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        p_value=intervals.mcnemar_exact(only_first, only_second),
        p_holm=None,
        test="exact McNemar",
        pairs=pairs,
        only_first=only_first,
        only_second=only_second,
        detectable=intervals.minimum_detectable_effect(pairs, (only_first + only_second) / max(1, pairs)),
    )


def _corrected(tests: Sequence[PairedTest]) -> tuple[PairedTest, ...]:
    adjusted = intervals.holm([test.p_value for test in tests])
    return tuple(replace(test, p_holm=p) for test, p in zip(tests, adjusted, strict=True))


def _judged(rows: np.ndarray) -> np.ndarray:
    judged: np.ndarray = rows[~np.isnan(rows[:, 0])]
    return judged


def _text(estimate: MetricEstimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
