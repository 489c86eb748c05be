"""Whether a model holds a conversation, and whether training cost it that: the gates on the comparison of episodes.

That they block or warn is decided in `evaluation.checks`.
"""

from __future__ import annotations

from fc_assets.evaluation.episodes.model import SUCCESS, EpisodeReport
from fc_assets.evaluation.gates import Verdict


def keeps_episodes(report: EpisodeReport | None, variant: str, reference: str, margin: float) -> Verdict:
    """The variant succeeds in at most `margin` fewer of the episodes than the reference. Nothing played fails."""
    if report is None:
        return Verdict(False, "No episode was played; set evaluation.episodes above 0.", {})
    own, other = (report.variants[name].metrics[SUCCESS] for name in (variant, reference))
    numbers = {"value": own.value, "low": own.low, "high": own.high, reference: other.value, "episodes": own.rows}
    if own.value is None or other.value is None:
        return Verdict(False, f"{variant} and {reference} have no episode in common that was played.", numbers)
    sentence = (
        f"{variant} succeeds in {own.value:.1%} of the episodes, {reference} in {other.value:.1%}; {margin:g} may be "
        "lost."
    )
    return Verdict(own.value >= other.value - margin, sentence, numbers)


def succeeds_in_episodes(report: EpisodeReport | None, variant: str, least: float) -> Verdict:
    """The variant succeeds in enough of the episodes: where base has no success there is nothing to lose against it."""
    own = report.variants[variant].metrics[SUCCESS] if report else None
    if own is None or own.value is None:
        return Verdict(False, f"No episode was played by {variant}; set evaluation.episodes above 0.", {})
    sentence = f"{variant} succeeds in {own.value:.1%} of the episodes, {least:.1%} are asked."
    numbers = {"value": own.value, "low": own.low, "high": own.high, "episodes": own.rows}
    return Verdict(own.value >= least, sentence, numbers)
