"""Whether a policy may be promoted: its lineage must agree with itself, and every gate must have passed on it.

A gate counts only if its latest evaluation judged the very materialisation that is in the lineage. Plain values in,
plain decision out: reading them from Dagster's instance is `assets`, writing the release is `package`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fc_assets.errors import FcAssetsError

POLICY = "grpo_policy"
REPORT = "eval_report"
ROOTS = (REPORT, POLICY, "sharegpt_val")
"""What a release is made from; everything else in the lineage is reached from here by recorded inputs."""

LINEAGE = (
    "xlam_raw",
    "sharegpt_train",
    "sharegpt_val",
    "base_model",
    "lora_adapter",
    "merged_model",
    "grpo_policy",
    *(f"{kind}/{variant}" for kind in ("predictions", "bfcl_scores") for variant in ("base", "sft", "grpo")),
    "eval_report",
)
"""Assets without which a promotion would rest on a gap: data, training, evaluation and BFCL."""


class NotPromotableError(FcAssetsError):
    """Gates are unmet or the lineage does not agree; the message lists everything at once."""


@dataclass(frozen=True, order=True)
class Gate:
    """A blocking check: the asset it judges and its name."""

    asset: str
    check: str

    def __str__(self) -> str:
        return f"{self.asset}:{self.check}"


@dataclass(frozen=True)
class Node:
    """The latest materialisation of an asset: its digest, Dagster's storage id of it, the digests of its inputs."""

    asset: str
    digest: str
    storage_id: int
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class Evaluation:
    """The latest evaluation of a gate.

    `passed` is None when it was planned and has not ended; `target` is the storage id of the materialisation that it
    judged, None when there was none. `values` are the scalars it measured.
    """

    passed: bool | None
    target: int | None
    description: str = ""
    values: Mapping[str, str | int | float | bool] = field(default_factory=dict)


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

    def as_dict(self) -> dict[str, object]:
        """For the release's record: no time, no run id, so that the same decision always has the same bytes."""
        return {
            "asset": self.gate.asset,
            "check": self.gate.check,
            "judged_digest": self.digest,
            "met": self.met,
            "unmet_because": self.unmet or None,
            "description": self.description,
            "values": dict(self.values),
        }


@dataclass(frozen=True)
class Decision:
    """The lineage, every gate on it, and where the lineage contradicts itself."""

    lineage: Mapping[str, Node]
    gates: Sequence[GateResult]
    contradictions: Sequence[str]

    @property
    def unmet(self) -> list[GateResult]:
        return [result for result in self.gates if not result.met]

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
            raise NotPromotableError(f"{POLICY} cannot be promoted, {count} against it:{listing}")


def trace(read: Callable[[str], Node | None]) -> dict[str, Node]:
    """Every materialised asset that `ROOTS` and `LINEAGE` lead to through recorded inputs, by name.

    `read` returns the latest materialisation of an asset, or None.
    """
    found: dict[str, Node] = {}
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
    lineage: Mapping[str, Node],
    loaded: Mapping[str, str],
    gates: Iterable[Gate],
    evaluations: Mapping[Gate, Evaluation],
) -> Decision:
    """Judge every gate on an asset of `lineage`; gates on other assets have no say.

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
        contradictions=_contradictions(lineage) + overtaken,
    )


def _judge(gate: Gate, node: Node | None, evaluation: Evaluation | None) -> GateResult:
    return GateResult(
        gate=gate,
        digest=node.digest if node else "",
        unmet=_unmet(gate, node, evaluation),
        description=evaluation.description if evaluation else "",
        values=evaluation.values if evaluation else {},
    )


def _unmet(gate: Gate, node: Node | None, evaluation: Evaluation | None) -> str:
    if node is None:
        return f"judges {gate.asset}, which has not been materialised: materialise it"
    if evaluation is None:
        return "has never run: run the check"
    if evaluation.passed is None:
        return "was planned and has not ended: wait for its run, or run the check again"
    if evaluation.target != node.storage_id:
        return f"has not judged the present materialisation of {gate.asset} ({node.digest[:16]}): run it again"
    if not evaluation.passed:
        return f"failed: {evaluation.description or 'see its metadata'}"
    return ""


def _contradictions(lineage: Mapping[str, Node]) -> list[str]:
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
        f"neither {REPORT} nor {POLICY} was made from the present {name}: materialise what lies between them again"
        for name in LINEAGE
        if name in lineage and name not in used
    ]
    return problems


def _reachable(lineage: Mapping[str, Node], roots: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    frontier = list(roots)
    while frontier:
        name = frontier.pop()
        if name not in seen and name in lineage:
            seen.add(name)
            frontier.extend(lineage[name].inputs)
    return seen
