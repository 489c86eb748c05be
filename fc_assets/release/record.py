"""The form of `release.json`: lineage, gates, settings and libraries of a release, and nothing that tells the time.

Writing it is `package`; a check reads it back in the same form.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from fc_assets.release.upstream import BaseCheckpoint, Licence, Measure

RECORD_FORMAT = 1


class _RecordPart(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")


class PolicyRecord(_RecordPart):
    """Which artefact is shipped."""

    asset: str
    digest: str


class LineageRecord(_RecordPart):
    """One asset of the lineage: its digest, and the digests of what it was made from, by asset."""

    digest: str
    inputs: dict[str, str]


class GateRecord(_RecordPart):
    """How one gate was decided: no time and no run id, so that the same decision always has the same bytes."""

    asset: str
    check: str
    judged_digest: str
    met: bool
    unmet_because: str | None
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


class ReleaseRecord(_RecordPart):
    """The content of `release.json`. `override` is None when every gate was met; `profile` holds all its settings."""

    format: int
    policy: PolicyRecord
    base: BaseCheckpoint
    lineage: dict[str, LineageRecord]
    gates: list[GateRecord]
    override: OverrideRecord | None
    metrics: list[Measure]
    further_tables: dict[str, list[dict[str, Any]]]
    licences: list[Licence]
    profile: dict[str, Any]
    code: CodeRecord
    libraries: dict[str, str]
