"""Where a report comes from: model, profile, data, digests, and apart from them when and on which machine.

The first part is the same whenever the same work is done, and so may lie in an artefact. Date and machine are not: they
are in the copy of the page among the records of the run. The numbers themselves are `model`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fc_assets.evaluation.report.model import label
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.gpu import Card, find_card
from fc_assets.foundation.json_files import read_json
from fc_assets.foundation.planning.machine import processor_name
from fc_assets.names import SERVER
from fc_assets.profiles import Profile

_DIGITS = 16
_RECORDS = "in this page's copy among the run's records (records/, beside artifacts/)"


@dataclass(frozen=True, slots=True)
class Origin:
    """`facts` for people, by what they are; `demo` where the model or the data exist only to show the pipeline."""

    facts: Mapping[str, str] = field(default_factory=dict)
    demo: bool = False

    def page_facts(self) -> Mapping[str, str]:
        """The facts, and where those are that no artefact can hold."""
        return {**self.facts, "date and machine": _RECORDS}

    def measured_here(self) -> Mapping[str, str]:
        """The facts with the present date and this machine."""
        card = find_card()
        machine = [platform.node(), processor_name(), *([card.name] if isinstance(card, Card) else [])]
        return {**self.facts, "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": ", ".join(machine)}


def origin_of(
    validation: Artifact, predictions: Mapping[str, Artifact], scores: Mapping[str, Artifact], profile: Profile
) -> Origin:
    """Of a comparison of `predictions` on the rows of `validation` and of `scores` (BFCL), both by variant."""
    base, data = profile.base_model, profile.data
    embedded, generated = base.source == "embedded", data.source == "generator"
    model = {
        "embedded": "the embedded demo model, of Qwen3's architecture",
        "folder": f"the folder {Path(base.path).name}",
    }
    rows = {"generator": f"{data.rows} generated questions", "file": f"the file {Path(data.path).name}"}
    answered = {_engine(read_json(artifact.path / SERVER)) for artifact in predictions.values()}
    return Origin(
        {
            "model": model.get(base.source, f"{base.model}, revision {base.revision}"),
            "profile": profile.name,
            "data": f"{rows.get(data.source, f'{data.dataset}, revision {data.revision}')}; "
            f"{validation.asset} {validation.digest[:_DIGITS]}",
            **{
                label(variant): _digests([artifact, scores[variant]], validation)
                for variant, artifact in predictions.items()
            },
            "answered by": "; ".join(sorted(answered)),
        },
        demo=embedded or generated,
    )


def origin_of_files(files: Mapping[str, Path]) -> Origin:
    """Of a report on files from outside the graph, by what they are."""
    return Origin({what: file.name for what, file in files.items()})


def _digests(artifacts: Sequence[Artifact], known: Artifact) -> str:
    """Each artefact and what it was made from, once, but for what is `known`."""
    made_from = {asset: digest for each in artifacts for asset, digest in each.inputs.items() if asset != known.asset}
    digests = {**made_from, **{each.asset: each.digest for each in artifacts}}
    return "; ".join(f"{asset} {digest[:_DIGITS]}" for asset, digest in digests.items())


def _engine(server: Mapping[str, object]) -> str:
    settings = server.get("settings")
    dtype = settings.get("dtype", "") if isinstance(settings, dict) else server.get("dtype", "")
    parts = [f"{server.get('engine')} {server.get('version', '')}".strip(), server.get("device"), dtype]
    return ", ".join(str(part) for part in parts if part)
