"""Whether a policy may be promoted: its lineage must agree with itself, and every gate must have passed on it.

A gate counts only if it judged the very materialisation that is in the lineage, by a bar that is no more lenient than
the location's. Plain values in, plain decision out: `assets` reads the values from Dagster's instance, `package` writes
the release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.thresholds import Threshold, recorded_threshold
from fc_assets.names import (
    BASE_MODEL,
    EVAL_REPORT,
    GRPO_POLICY,
    LORA_ADAPTER,
    MERGED_MODEL,
    SHAREGPT_TRAIN,
    SHAREGPT_VAL,
    VARIANT_MODELS,
    XLAM_RAW,
    bfcl_scores,
    predictions,
)

ROOTS = (EVAL_REPORT, GRPO_POLICY, SHAREGPT_VAL)
"""What a release is made from; everything else in the lineage is reached from here by recorded inputs."""

LINEAGE = (
    XLAM_RAW,
    SHAREGPT_TRAIN,
    SHAREGPT_VAL,
    BASE_MODEL,
    LORA_ADAPTER,
    MERGED_MODEL,
    GRPO_POLICY,
    *(of_variant(variant) for of_variant in (predictions, bfcl_scores) for variant in VARIANT_MODELS),
    EVAL_REPORT,
)
"""Assets without which a promotion would rest on a gap: data, training, evaluation and BFCL."""


class NotPromotableError(FcAssetsError):
    """Gates are unmet or the lineage does not agree; the message lists everything at once."""


@dataclass(frozen=True, order=True)
class Gate:
    """A blocking check: the asset it judges and its name.

    `asked` is the bar that the location's profile asks for; None where the gate has none.
    """

    asset: str
    check: str
    asked: Threshold | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.asset}:{self.check}"


@dataclass(frozen=True)
class LineageNode:
    """The latest materialisation of an asset: its digest, Dagster's storage id of it, the digests of its inputs.

    `settings` are the sections of the profile that made it, by name; `profile` is that profile's name.
    """

    asset: str
    digest: str
    storage_id: int
    inputs: Mapping[str, str]
    profile: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GateEvaluation:
    """The latest evaluation of a gate that counts.

    `passed` is None while `run` has still to make it; `target` is the storage id of the materialisation that it judged,
    None when there was none. `values` are the scalars that it recorded.
    """

    passed: bool | None
    target: int | None
    description: str = ""
    values: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    run: str = ""


@dataclass(frozen=True)
class GateResult:
    """One gate as decided. `unmet` says why it does not count as passed; empty when it does."""

    gate: Gate
    digest: str
    unmet: str
    description: str
    values: Mapping[str, str | int | float | bool]

    @property
    def met(self) -> bool:
        return not self.unmet

    @property
    def threshold(self) -> Threshold | None:
        """The bar that it was judged by; None where it recorded none."""
        return recorded_threshold(self.values)


@dataclass(frozen=True)
class Decision:
    """The lineage, every gate on it, and where the lineage contradicts itself."""

    lineage: Mapping[str, LineageNode]
    gates: Sequence[GateResult]
    contradictions: Sequence[str]

    @property
    def unmet(self) -> list[GateResult]:
        return [result for result in self.gates if not result.met]

    def gate_rows(self) -> list[dict[str, str | bool]]:
        """A row for each gate: whether it is met, what it said, and the digest that it judged."""
        return [
            {
                "gate": str(result.gate),
                "met": result.met,
                "said": result.unmet or result.description,
                "bar": f"{result.threshold.setting} {result.threshold}" if result.threshold else "",
                "judged": result.digest[:16],
            }
            for result in self.gates
        ]

    def require(self, override_reason: str = "") -> None:
        """Raise `NotPromotableError` unless the policy may be promoted.

        A reason given by hand overrides unmet gates. It never overrides a contradiction: the metrics would then
        describe another model than the one that is shipped.
        """
        problems = list(self.contradictions)
        if not override_reason.strip():
            problems += [f"{result.gate} {result.unmet}" for result in self.unmet]
        if problems:
            listing = "".join(f"\n- {problem}" for problem in problems)
            count = "1 thing stands" if len(problems) == 1 else f"{len(problems)} things stand"
            raise NotPromotableError(f"{GRPO_POLICY} cannot be promoted, {count} against it:{listing}")


def trace(read: Callable[[str], LineageNode | None]) -> dict[str, LineageNode]:
    """Every materialised asset that `ROOTS` and `LINEAGE` lead to through recorded inputs, by name.

    `read` returns the latest materialisation of an asset, or None.
    """
    found: dict[str, LineageNode] = {}
    frontier = dict.fromkeys((*ROOTS, *LINEAGE))
    while frontier:
        name = next(iter(frontier))
        del frontier[name]
        node = read(name)
        if node is not None:
            found[name] = node
            frontier.update(dict.fromkeys(upstream for upstream in node.inputs if upstream not in found))
    return dict(sorted(found.items()))


def decide(
    lineage: Mapping[str, LineageNode],
    loaded: Mapping[str, str],
    gates: Iterable[Gate],
    evaluations: Mapping[Gate, GateEvaluation],
) -> Decision:
    """Judge every gate on an asset of `lineage`; gates on other assets do not count.

    `loaded` maps the assets whose files are in hand to their digests: they must still be the latest.
    """
    judged = {gate for gate in gates if gate.asset in lineage or gate.asset in LINEAGE}
    overtaken = [
        f"{name} was materialised again while it was being promoted: promote again"
        for name, digest in sorted(loaded.items())
        if name in lineage and lineage[name].digest != digest
    ]
    return Decision(
        lineage=lineage,
        gates=[_judge(gate, lineage.get(gate.asset), evaluations.get(gate)) for gate in sorted(judged)],
        contradictions=_contradictions(lineage) + _ungated(judged) + overtaken,
    )


def _judge(gate: Gate, node: LineageNode | None, evaluation: GateEvaluation | None) -> GateResult:
    return GateResult(
        gate=gate,
        digest=node.digest if node else "",
        unmet=_unmet(gate, node, evaluation),
        description=evaluation.description if evaluation else "",
        values=evaluation.values if evaluation else {},
    )


def _unmet(gate: Gate, node: LineageNode | None, evaluation: GateEvaluation | None) -> str:
    if node is None:
        return f"judges {gate.asset}, which has not been materialised: materialise it"
    if evaluation is None:
        return "has never run: run the check"
    if evaluation.passed is None:
        return f"is pending, its run {evaluation.run} is under way: wait for it"
    if evaluation.target != node.storage_id:
        return f"has not judged the present materialisation of {gate.asset} ({node.digest[:16]}): run it again"
    if not evaluation.passed:
        return f"failed: {evaluation.description or 'see its metadata'}"
    return _too_lenient(gate.asked, recorded_threshold(evaluation.values)) if gate.asked else ""


def _too_lenient(asked: Threshold, used: Threshold | None) -> str:
    if used is None or (used.setting, used.kind) != (asked.setting, asked.kind):
        return f"does not say that it was judged by {asked.setting} ({asked}): run the check again"
    if used.is_more_lenient_than(asked):
        return (
            f"was judged with {used.setting} {used.shown}, the location asks for {asked}: "
            "run the check again with the location's settings"
        )
    return ""


def _ungated(judged: Iterable[Gate]) -> list[str]:
    """Whether nothing is asked at all: that nothing is unmet would then mean nothing."""
    return [] if list(judged) else ["no gate judges the lineage: load the code location with its checks"]


def _contradictions(lineage: Mapping[str, LineageNode]) -> list[str]:
    problems = [f"{name} has not been materialised: materialise it" for name in LINEAGE if name not in lineage]
    for node in lineage.values():
        for name, digest in sorted(node.inputs.items()):
            latest = lineage.get(name)
            if latest is not None and latest.digest != digest:
                problems.append(
                    f"{node.asset} was made from {name} {digest[:16]}, but the latest {name} is {latest.digest[:16]}: "
                    f"materialise {node.asset} again"
                )
    used = _reachable(lineage, [root for root in ROOTS if root in lineage])
    problems += [
        f"neither {EVAL_REPORT} nor {GRPO_POLICY} was made from the present {name}: materialise what lies between them "
        "again"
        for name in LINEAGE
        if name in lineage and name not in used
    ]
    return problems


def _reachable(lineage: Mapping[str, LineageNode], roots: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    frontier = list(roots)
    while frontier:
        name = frontier.pop()
        if name not in seen and name in lineage:
            seen.add(name)
            frontier.extend(lineage[name].inputs)
    return seen
