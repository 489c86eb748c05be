"""What is worth a message, and what it says: from the outcome of one run to a few messages.

Several failed gates are one message, several failed steps another. Where an outcome comes from is `sensors`; who
receives the messages is `sending`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fc_assets.profiles import without_credentials

MAX_SENTENCE = 1000
"""Characters of one sentence. A chat shows not much more; the rest, for instance of a log, is on the run's page."""
MAX_LISTED = 10
"""Gates or steps named in one message."""
_CUT = " [...] "
_HEX_DIGITS = 16

Status = Literal["succeeded", "failed", "cancelled"]
Kind = Literal["gate failed", "promoted", "deployed", "rolled back", "run failed"]


@dataclass(frozen=True)
class FailedGate:
    """A check of severity ERROR that failed: the asset it judges, its name, and what it said.

    `reported` marks one that is looked at again and again, and was worth a message when it began to fail.
    """

    asset: str
    check: str
    sentence: str
    reported: bool = False


@dataclass(frozen=True)
class FailedStep:
    """A step that failed, and why.

    `rolled_back` marks the deployment of a release that does not serve: the sentence then says what answers now.
    """

    step: str
    sentence: str
    rolled_back: bool = False


@dataclass(frozen=True)
class ReleasePromoted:
    """A release that the run promoted, and how many unmet gates were overridden by hand for it."""

    release: str
    gates_overridden: int


@dataclass(frozen=True)
class ReleaseDeployed:
    """A release that the run brought into service, and where it answers."""

    release: str
    url: str


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended. `job` is empty for one that was put together on the page.

    `failed_steps` are those that failed for another reason than a gate; `said` is what Dagster itself says of a failed
    run, for one that ended without a failed step.
    """

    job: str
    run_id: str
    status: Status
    failed_gates: Sequence[FailedGate] = ()
    failed_steps: Sequence[FailedStep] = ()
    promoted: Sequence[ReleasePromoted] = ()
    deployed: Sequence[ReleaseDeployed] = ()
    said: str = ""


@dataclass(frozen=True)
class Message:
    """A title of one line, and a text of a few."""

    kind: Kind
    title: str
    text: str


def messages_of(outcome: RunOutcome) -> list[Message]:
    """The messages that this outcome is worth, in the order of events; often none.

    Of a run that somebody cancelled, only failed gates are.
    """
    found = _gates(outcome)
    if outcome.status == "cancelled":
        return found
    found += [_promoted(outcome, release) for release in outcome.promoted]
    found += [
        _message("deployed", f"release {deployed.release[:_HEX_DIGITS]}", [f"It answers at {deployed.url}."], outcome)
        for deployed in outcome.deployed
    ]
    return found + _failed_deployment(outcome) + _failed_run(outcome)


def _gates(outcome: RunOutcome) -> list[Message]:
    said = {f"{gate.asset}:{gate.check}": gate.sentence for gate in outcome.failed_gates if not gate.reported}
    lines = [f"{gate}: {sentence}" for gate, sentence in said.items()]
    return [_message("gate failed", _named(list(said)), lines, outcome)] if said else []


def _promoted(outcome: RunOutcome, promoted: ReleasePromoted) -> Message:
    count = promoted.gates_overridden
    said = "Every gate on its lineage passed."
    if count:
        said = f"By hand, although {count} {'gate was' if count == 1 else 'gates were'} unmet; its record says why."
    return _message("promoted", f"release {promoted.release[:_HEX_DIGITS]}", [said], outcome)


def _failed_deployment(outcome: RunOutcome) -> list[Message]:
    failed = [step for step in outcome.failed_steps if step.rolled_back]
    return [_message("rolled back", step.step, [step.sentence], outcome) for step in failed]


def _failed_run(outcome: RunOutcome) -> list[Message]:
    failed = [step for step in outcome.failed_steps if not step.rolled_back]
    if failed:
        lines = [f"{step.step}: {step.sentence}" for step in failed]
        return [_message("run failed", _named([step.step for step in failed]), lines, outcome)]
    explained = outcome.failed_gates or outcome.failed_steps
    if outcome.status != "failed" or explained:
        return []
    return [_message("run failed", outcome.job or outcome.run_id, [outcome.said or "No step failed."], outcome)]


def _named(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _message(kind: Kind, subject: str, lines: Sequence[str], outcome: RunOutcome) -> Message:
    shown = [_shortened(line) for line in lines[:MAX_LISTED]]
    if more := len(lines) - len(shown):
        shown.append(f"and {more} more")
    job = f"Job {outcome.job}, run" if outcome.job else "Run"
    text = "\n".join([*shown, f"{job} {outcome.run_id}."])
    return Message(kind, f"fc_assets: {kind}: {subject}", str(without_credentials(text)))


def _shortened(sentence: str) -> str:
    """At most `MAX_SENTENCE` characters: its beginning and its end, where it often says what answers now."""
    if len(sentence) <= MAX_SENTENCE:
        return sentence
    end = MAX_SENTENCE // 2
    return sentence[: MAX_SENTENCE - end - len(_CUT)] + _CUT + sentence[-end:]
