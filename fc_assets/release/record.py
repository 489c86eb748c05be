"""The form of `release.json`: lineage, gates, settings and libraries of a release, and nothing that tells the time.

Writing it is `package`; `read_record` reads it back in the same form.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.thresholds import Kind
from fc_assets.names import RELEASE_RECORD
from fc_assets.release.upstream import BaseCheckpoint, Licence, Measure

RECORD_FORMAT = 2


class _RecordPart(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, ser_json_inf_nan="constants")


class PolicyRecord(_RecordPart):
    """Which artefact is shipped."""

    asset: str
    digest: str


class LineageRecord(_RecordPart):
    """One asset of the lineage: its digest, and the digests of what it was made from, by asset."""

    digest: str
    inputs: dict[str, str]


class BarRecord(_RecordPart):
    """The bar that a gate was judged by: the profile's setting, its value, and how what is measured must stand to it.

    `source` says whose value it is: the `location`'s own, or one of the `run` that judged, where that is another one.
    `asked` is the location's value.
    """

    setting: str
    kind: Kind
    threshold: float | str
    source: Literal["location", "run"]
    asked: float | str


class GateRecord(_RecordPart):
    """How one gate was decided: no time and no run id, so that the same decision always has the same bytes.

    `bar` is None for a gate that has none, and where an evaluation, then unmet, did not record it.
    """

    asset: str
    check: str
    judged_digest: str
    met: bool
    unmet_because: str | None
    bar: BarRecord | None
    description: str
    values: dict[str, str | int | float | bool]


class OverrideRecord(_RecordPart):
    """Why somebody promoted in spite of these unmet gates."""

    reason: str
    unmet: list[str]


class CodeRecord(_RecordPart):
    """Version and commit of this project."""

    version: str
    git_commit: str


class PromotingRun(_RecordPart):
    """What the run that promotes decides itself: its profile, and those settings that it used, by section.

    How many canary questions a deployment asks, and how the server is assumed for MODEL_INFO.json.
    """

    profile: str
    settings: dict[str, dict[str, Any]]


class ReleaseRecord(_RecordPart):
    """The content of `release.json`. `override` is None when every gate was met.

    `settings` are those that made each asset of the lineage: by asset, then by section of the profile. `profile` are
    the names of the profiles that they came from. `code` and `libraries` are those of the run that promoted.
    """

    format: int
    policy: PolicyRecord
    base: BaseCheckpoint
    lineage: dict[str, LineageRecord]
    gates: list[GateRecord]
    override: OverrideRecord | None
    metrics: list[Measure]
    further_tables: dict[str, list[dict[str, Any]]]
    licences: list[Licence]
    profile: list[str]
    settings: dict[str, dict[str, dict[str, Any]]]
    promoting_run: PromotingRun
    code: CodeRecord
    libraries: dict[str, str]


def read_record(promoted_policy: Artifact) -> ReleaseRecord:
    """The record of a release. Raises `FcAssetsError` for one in a form that this code does not know."""
    found = promoted_policy.read_json(RELEASE_RECORD)
    if found.get("format") != RECORD_FORMAT:
        raise FcAssetsError(
            f"{RELEASE_RECORD} in {promoted_policy.path} has format {found.get('format')}, this code reads "
            f"{RECORD_FORMAT}: materialise {promoted_policy.asset} again"
        )
    return ReleaseRecord.model_validate(found)
