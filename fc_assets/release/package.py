"""The folder of a release: checkpoint, record, model card, sums, tools, canary questions.

Everything in it is a function of the lineage, of its gates, and of the few settings that the promoting run decides: no
time, no run id. So the same policy promoted twice has the same digest, and is deployed once. What made the lineage is
taken from its own records, never from the profile of the run that promotes. Whether it may be promoted is decided in
`promotion`; what the card says stands in `card`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import fc_assets
from fc_assets.calls.call import Tool
from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.prompts import wrap_tools
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact, FileEntry, file_sha256
from fc_assets.foundation.json_files import write_json
from fc_assets.names import (
    CANARY_QUESTIONS,
    CHECKSUMS,
    EVAL_REPORT,
    GRPO_POLICY,
    MODEL_CARD,
    MODEL_FOLDER,
    MODEL_INFO,
    RELEASE_RECORD,
    SHAREGPT_VAL,
    SHIPPED_VARIANT,
    TOOLS,
    split_file,
)
from fc_assets.profiles import Profile
from fc_assets.release import upstream
from fc_assets.release.card import model_card
from fc_assets.release.model_info import ModelInfo, describe_model
from fc_assets.release.promotion import Decision, GateResult
from fc_assets.release.provenance import git_commit, library_versions
from fc_assets.release.record import (
    RECORD_FORMAT,
    BarRecord,
    CodeRecord,
    GateRecord,
    LineageRecord,
    OverrideRecord,
    PolicyRecord,
    PromotingRun,
    ReleaseRecord,
)

DECIDED_BY_PROMOTION = {"server": ("dtype", "max_model_len", "max_num_seqs"), "deployment": ("canary_rows",)}
"""The settings of the promoting run that a release is written with, by section."""


@dataclass(frozen=True)
class ReleaseInputs:
    """The artefacts that a release is written from."""

    policy: Artifact
    report: Artifact
    validation: Artifact
    examples: Artifact
    base: Artifact
    predictions: Artifact

    @property
    def artifacts(self) -> list[Artifact]:
        """All of them."""
        return [self.policy, self.report, self.validation, self.examples, self.base, self.predictions]


@dataclass(frozen=True)
class Release:
    """A written release: its record (the content of release.json), its card, and its model."""

    record: ReleaseRecord
    card: str
    info: ModelInfo

    def headline(self) -> dict[str, float]:
        """Its few headline numbers: size, memory in MiB, and every metric of the shipped variant."""
        metrics = {each.metric: each.value for each in self.record.metrics if each.variant == SHIPPED_VARIANT}
        return {"parameters": self.info.parameters, "memory_mib": self.info.full_load_mib, **metrics}


def write_release(
    out: Path, inputs: ReleaseInputs, decision: Decision, override_reason: str, profile: Profile
) -> Release:
    """Write the release into the empty folder `out`. Raises `FcAssetsError` when the policy has no checkpoint."""
    checkpoint = inputs.policy.path / MODEL_FOLDER
    if not (checkpoint / "config.json").is_file():
        raise FcAssetsError(
            f"{GRPO_POLICY} at {inputs.policy.path} holds no checkpoint: materialise {GRPO_POLICY} again"
        )
    link_tree(checkpoint, out / MODEL_FOLDER)
    info = describe_model(out / MODEL_FOLDER, profile.server)
    record = _record(inputs, decision, override_reason, profile)
    card = model_card(record, info)
    turns = read_turns(inputs.validation.path / split_file(SHAREGPT_VAL))
    answered = upstream.answered_rightly(inputs.predictions, turns)
    write_json(out / RELEASE_RECORD, record.model_dump(mode="json"))
    write_json(out / MODEL_INFO, asdict(info))
    write_json(out / TOOLS, _distinct_tools(turns))
    write_json(out / CANARY_QUESTIONS, _canary_questions(answered, profile.deployment.canary_rows))
    (out / MODEL_CARD).write_text(card, encoding="utf-8")
    (out / CHECKSUMS).write_text(_checksums(out, inputs.policy.files), encoding="utf-8")
    return Release(record, card, info)


def link_tree(source: Path, target: Path) -> None:
    """Reproduce the files of `source` below `target`, as hard links where the file system allows it.

    Artefacts never change, so two of them may share their bytes on disk.
    """
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, copy)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(file, copy)
        copy.chmod(0o644)  # safetensors files are written for their owner alone; a container reads as another user


def _record(inputs: ReleaseInputs, decision: Decision, override_reason: str, profile: Profile) -> ReleaseRecord:
    tables = upstream.evaluation_tables(inputs.report)
    unmet = [str(result.gate) for result in decision.unmet]
    return ReleaseRecord(
        format=RECORD_FORMAT,
        policy=PolicyRecord(asset=GRPO_POLICY, digest=inputs.policy.digest),
        base=upstream.base_checkpoint(inputs.base),
        lineage={
            name: LineageRecord(digest=node.digest, inputs=dict(sorted(node.inputs.items())))
            for name, node in decision.lineage.items()
        },
        gates=[
            GateRecord(
                asset=result.gate.asset,
                check=result.gate.check,
                judged_digest=result.digest,
                met=result.met,
                unmet_because=result.unmet or None,
                bar=_bar(result),
                description=result.description,
                values=dict(result.values),
            )
            for result in decision.gates
        ],
        override=OverrideRecord(reason=override_reason.strip(), unmet=unmet) if unmet else None,
        metrics=tables.measures,
        further_tables=tables.further,
        licences=[upstream.base_licence(inputs.base), *upstream.data_licences(inputs.examples)],
        profile=sorted({node.profile for node in decision.lineage.values()}),
        settings={
            name: {section: dict(values) for section, values in sorted(node.settings.items())}
            for name, node in decision.lineage.items()
        },
        promoting_run=PromotingRun(
            profile=profile.name,
            settings={
                section: profile.model_dump(mode="json", include={section: set(fields)})[section]
                for section, fields in DECIDED_BY_PROMOTION.items()
            },
        ),
        code=CodeRecord(version=fc_assets.__version__, git_commit=git_commit()),
        libraries=library_versions(),
    )


def _bar(result: GateResult) -> BarRecord | None:
    used, asked = result.threshold, result.gate.asked
    if used is None or asked is None:
        return None
    return BarRecord(
        setting=used.setting,
        kind=used.kind,
        threshold=used.value,
        source="location" if used == asked else "run",
        asked=asked.value,
    )


def _distinct_tools(turns: Iterable[Turn]) -> dict[str, list[dict[str, Any]]]:
    """The tools of the validation split, the first definition of each name, in OpenAI's and in MCP's form."""
    by_name: dict[str, Tool] = {}
    for turn in turns:
        for tool in turn.tools:
            by_name.setdefault(str(tool["name"]), tool)
    tools = [by_name[name] for name in sorted(by_name)]
    return {
        "openai": wrap_tools(tools),
        "mcp": [
            {
                "name": tool["name"],
                "description": tool.get("description", ""),
                "inputSchema": {"type": "object", **(tool.get("parameters") or {})},
            }
            for tool in tools
        ],
    }


def _canary_questions(answered: Iterable[Turn], count: int) -> list[dict[str, object]]:
    """The first `count` turns that this policy answered rightly when it was evaluated.

    A deployment asks them again: a server that cannot answer what the evaluated model could is serving something else.
    """
    chosen = list(islice(answered, count))
    if not chosen:
        raise FcAssetsError(
            "The policy answered no validation row that expects a call rightly, so a deployment could not be probed: "
            f"look at {EVAL_REPORT} before promoting"
        )
    return [
        {"id": turn.id, "messages": list(turn.messages), "tools": list(turn.tools), "expected": turn.answer}
        for turn in chosen
    ]


def _checksums(out: Path, known: Mapping[str, FileEntry]) -> str:
    """Lines for `sha256sum --check`; the checkpoint's own sums are those already verified upstream."""
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    verified = {name: entry.sha256 for name, entry in known.items() if name.startswith(f"{MODEL_FOLDER}/")}
    return "".join(f"{verified.get(name) or file_sha256(out / name)}  {name}\n" for name in names)
