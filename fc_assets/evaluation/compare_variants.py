"""The comparison of the variants, put together: judged tables, the sections beside the metrics, the report.

Plain values in and out; each section is made in its own module, and `assets` publishes what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fc_assets.evaluation import champion
from fc_assets.evaluation.bfcl import published
from fc_assets.evaluation.bfcl import tables as bfcl
from fc_assets.evaluation.bfcl.model import BfclReport
from fc_assets.evaluation.embedding import similarity
from fc_assets.evaluation.episodes import comparison as episodes
from fc_assets.evaluation.episodes.model import EpisodeReport
from fc_assets.evaluation.inference.predictions import score_variants
from fc_assets.evaluation.jobs import EmbeddingJob, RunJob
from fc_assets.evaluation.report import decoding
from fc_assets.evaluation.report.build import build_report
from fc_assets.evaluation.report.model import Report, Table, label
from fc_assets.evaluation.report.origin import Origin, origin_of
from fc_assets.evaluation.report.write import write_report
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.json_files import write_json
from fc_assets.names import CHAMPION, CHAMPION_RECORD, EPISODE_PLAYS, REPORT, SHIPPED_VARIANT
from fc_assets.profiles import EvaluationSettings, Profile

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class VariantComparison:
    """The report and where it comes from, the tables beside its metrics by short name, how the policy meets the
    champion, and the episodes."""

    report: Report
    origin: Origin
    tables: Mapping[str, Table]
    against_champion: champion.ChampionComparison
    episodes: EpisodeReport | None

    def write(self, folder: Path, records: Path) -> dict[str, Path]:
        """Write the report's files and the champion's record; returns the report's files by name.

        A copy of the page with date and machine goes into `records`.
        """
        write_json(folder / CHAMPION_RECORD, self.against_champion.model_dump(mode="json"))
        if self.episodes:
            write_json(folder / EPISODE_PLAYS, self.episodes.model_dump(mode="json"))
        return write_report(self.report, folder, self.origin, records)


def compare_variants(
    validation: Artifact,
    predictions: Mapping[str, Artifact],
    scores: Mapping[str, Artifact],
    profile: Profile,
    run_job: RunJob,
    scratch: Path,
) -> VariantComparison:
    """Judge and compare; `predictions` and `scores` (BFCL) are by variant.

    Raises FcAssetsError where predictions were made from another split or where variants answered different rows.
    """
    settings, weights = profile.evaluation, profile.grpo.rewards.model_dump()
    samples, seed = settings.bootstrap_samples, settings.seed
    reports = {label(name): BfclReport.model_validate(scored.read_json(REPORT)) for name, scored in scores.items()}
    frames = score_variants(validation, predictions, weights, settings.max_failed_share)
    against_champion = champion.compare_with_champion(
        validation, predictions[SHIPPED_VARIANT], frames[SHIPPED_VARIANT], weights, samples, seed
    )
    played = episodes.compare_episodes(predictions, settings)
    sections: dict[str, tuple[str, Table]] = {
        "bfcl": (bfcl.TITLE, bfcl.side_by_side(reports)),
        "bfcl_published": (published.TITLE, published.beside(reports)),
        "decode_modes": (
            decoding.TITLE,
            decoding.compare_decoding(validation, predictions, frames, weights, seed),
        ),
        "embedding_similarity": (similarity.TITLE, _similarity(frames, settings, run_job, scratch)),
        CHAMPION: (champion.TITLE, champion.comparison_table(against_champion)),
        **(episodes.sections(played) if played else {}),
    }
    filled = {name: (title, records) for name, (title, records) in sections.items() if records}
    report = build_report(
        frames,
        weights,
        samples=samples,
        seed=seed,
        extra_tables=dict(filled.values()),
        extra_texts={
            similarity.TITLE: similarity.TEXT,
            episodes.TITLE: episodes.TEXT,
            bfcl.TITLE: bfcl.text(reports),
            published.TITLE: published.TEXT,
        },
    )
    tables = {name: records for name, (_, records) in filled.items()}
    origin = origin_of(validation, predictions, scores, profile)
    return VariantComparison(report, origin, tables, against_champion, played)


def _similarity(
    frames: Mapping[str, pd.DataFrame], settings: EvaluationSettings, run_job: RunJob, scratch: Path
) -> Table:
    """Embedding similarity of each variant's judged table; nothing where the profile names no model."""
    if not settings.embedding_model:
        return []
    pairs = {variant: similarity.string_pairs(frame) for variant, frame in frames.items()}
    job = EmbeddingJob(
        model=settings.embedding_model,
        revision=settings.embedding_revision,
        pairs=tuple(similarity.to_embed(pairs)),
    )
    cosines = run_job(job, scratch).cosines
    return similarity.similarity_table(frames, pairs, cosines, settings.bootstrap_samples, settings.seed)
