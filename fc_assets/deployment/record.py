"""The form of `deployment.json`, in which an artefact says how a release came into service.

What serves at this moment is another record: the stack's `state.json`, which `targets` keeps.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from fc_assets.deployment.deploy import DeployStep, Outcome
from fc_assets.deployment.targets.target import Target
from fc_assets.foundation.json_files import write_json
from fc_assets.names import DEPLOYMENT_RECORD


class DeploymentRecord(BaseModel):
    """Which release serves at which address since when, the digest of the engine's image, and the steps taken."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    release: str
    image: str
    since: str
    url: str
    steps: list[DeployStep]


def write_record(out: Path, stack: Target, outcome: Outcome) -> DeploymentRecord:
    """Write the record, and the Compose file or the manifests as they were deployed, into `out`."""
    record = DeploymentRecord(
        release=outcome.release,
        image=outcome.image,
        since=stack.state().since,
        url=stack.url,
        steps=outcome.steps,
    )
    write_json(out / DEPLOYMENT_RECORD, record.model_dump(mode="json"))
    (out / stack.rendered.name).write_bytes(stack.rendered.read_bytes())
    return record
