"""What the comparison of episodes holds, as plain values. How they arise is `comparison`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from fc_assets.evaluation.report.model import MetricEstimate, PairedTest

SUCCESS = "success"
"""The metric that the gate and the paired tests look at."""


class VariantEpisodes(BaseModel):
    """One variant: how many episodes were played, how many of those failed for reasons of the infrastructure, the
    metrics over the others, and the success in each stratum."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    played: int
    failed: int
    metrics: Mapping[str, MetricEstimate]
    strata: Mapping[str, MetricEstimate]


class EpisodeReport(BaseModel):
    """The content of the report's episodes.json: every variant, and each against the one before it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    variants: Mapping[str, VariantEpisodes]
    tests: tuple[PairedTest, ...]
