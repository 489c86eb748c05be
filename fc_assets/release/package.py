"""The folder of a release: checkpoint, record, model card, sums, tools, canary questions.

Everything in it is a function of the lineage and the settings: no time, no run id, no machine. So the same policy
promoted twice has the same digest, and is deployed once. Whether it may be promoted is `promotion`; what the
card says is `card`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import fc_assets
from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.prompts import wrap_tools
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact, FileEntry, file_sha256
from fc_assets.names import SHAREGPT_VAL, split_file
from fc_assets.profiles import Profile
from fc_assets.release import lineage_facts
from fc_assets.release.card import model_card
from fc_assets.release.lineage_facts import Licence, Measure, Tables
from fc_assets.release.model_info import ModelInfo, describe_model
from fc_assets.release.promotion import POLICY, Decision
from fc_assets.release.provenance import git_commit, library_versions, public_settings

MODEL = "model"
RECORD = "release.json"
CARD = "README.md"
MODEL_INFO = "MODEL_INFO.json"
SUMS = "SHA256SUMS"
TOOLS = "tools.json"
CANARY = "canary.json"
RECORD_FORMAT = 1


@dataclass(frozen=True)
class Sources:
    """What a release is written from: the artefacts in hand, the decision to promote, and the settings."""

    policy: Artifact
    report: Artifact
    split: Artifact
    raw: Artifact
    base: Artifact
    predictions: Artifact
    decision: Decision
    override_reason: str
    profile: Profile

    @property
    def artifacts(self) -> list[Artifact]:
        return [self.policy, self.report, self.split, self.raw, self.base, self.predictions]


@dataclass(frozen=True)
class Release:
    """A written release: its record (the content of release.json), its card, its measures, and its model."""

    record: Mapping[str, object]
    card: str
    measures: Sequence[Measure]
    info: ModelInfo


def write_release(out: Path, sources: Sources) -> Release:
    """Write the release into the empty folder `out`. Raises `FcAssetsError` when the policy has no checkpoint."""
    checkpoint = sources.policy.path / MODEL
    if not (checkpoint / "config.json").is_file():
        raise FcAssetsError(f"{POLICY} at {sources.policy.path} holds no checkpoint: materialise {POLICY} again")
    link_tree(checkpoint, out / MODEL)
    info = describe_model(out / MODEL, sources.profile.server)
    tables = lineage_facts.evaluation_tables(sources.report)
    licences = [lineage_facts.base_licence(sources.base), *lineage_facts.data_licences(sources.raw)]
    record = _record(sources, tables, licences)
    turns = read_turns(sources.split.path / split_file(SHAREGPT_VAL))
    answered = lineage_facts.answered_rightly(sources.predictions, turns)
    card = model_card(record, info, tables, licences)
    _write_json(out / RECORD, record)
    _write_json(out / MODEL_INFO, asdict(info))
    _write_json(out / TOOLS, _distinct_tools(turns))
    _write_json(out / CANARY, _canaries(answered, sources.profile.deployment.canary_rows))
    (out / CARD).write_text(card, encoding="utf-8")
    (out / SUMS).write_text(_sums(out, sources.policy.files), encoding="utf-8")
    return Release(record, card, tables.measures, info)


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


def _record(sources: Sources, tables: Tables, licences: Sequence[Licence]) -> dict[str, object]:
    decision = sources.decision
    return {
        "format": RECORD_FORMAT,
        "policy": {"asset": POLICY, "digest": sources.policy.digest},
        "base": asdict(lineage_facts.base_of(sources.base)),
        "lineage": {
            name: {"digest": node.digest, "inputs": dict(sorted(node.inputs.items()))}
            for name, node in decision.lineage.items()
        },
        "gates": [result.as_dict() for result in decision.gates],
        "override": {
            "reason": sources.override_reason.strip(),
            "unmet": [str(result.gate) for result in decision.unmet],
        }
        if decision.unmet
        else None,
        "metrics": [asdict(measure) for measure in tables.measures],
        "further_tables": dict(tables.further),
        "licences": [asdict(licence) for licence in licences],
        "profile": public_settings(sources.profile),
        "code": {"version": fc_assets.__version__, "git_commit": git_commit()},
        "libraries": library_versions(),
    }


def _distinct_tools(turns: Iterable[Turn]) -> dict[str, list[dict[str, object]]]:
    """The tools of the validation split, the first definition of each name, in OpenAI's and in MCP's form."""
    by_name = {}
    for turn in turns:
        for tool in turn.tools:
            by_name.setdefault(str(tool["name"]), dict(tool))
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


def _canaries(answered: Iterable[Turn], count: int) -> list[dict[str, object]]:
    """The first `count` turns that this policy answered rightly when it was evaluated.

    A deployment asks them again: a server that cannot answer what the evaluated model could is serving something else.
    """
    chosen = list(islice(answered, count))
    if not chosen:
        raise FcAssetsError(
            "The policy answered no validation row that expects a call rightly, so a deployment could not be probed: "
            "look at eval_report before promoting"
        )
    return [
        {"id": turn.id, "messages": list(turn.messages), "tools": list(turn.tools), "expected": turn.answer}
        for turn in chosen
    ]


def _sums(out: Path, known: Mapping[str, FileEntry]) -> str:
    """Lines for `sha256sum --check`; the checkpoint's own sums are those already verified upstream."""
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    verified = {name: entry.sha256 for name, entry in known.items() if name.startswith(f"{MODEL}/")}
    return "".join(f"{verified.get(name) or file_sha256(out / name)}  {name}\n" for name in names)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False) + "\n", encoding="utf-8")
