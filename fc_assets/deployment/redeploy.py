"""When to deploy: a state machine over promotions, deployments and attempts, on plain values.

A batch is one promotion of one release, or one healing of a stack that stopped answering. Its attempts are numbered;
a failed one is followed by another after a wait that doubles, up to a number, and then nothing happens until the next
promotion. What is done is remembered only once it has succeeded. Reading the instance and requesting runs belong to
`sensors`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class SensorMemory:
    """What the sensor remembers: the digest deployed last, and how many healings that release has behind it."""

    done: str = ""
    healings: int = 0

    def dump(self) -> str:
        """As the text of a sensor's cursor."""
        return json.dumps(asdict(self))

    @staticmethod
    def load(text: str | None) -> SensorMemory:
        """From the text of a cursor; None is the cursor of a sensor that never ticked."""
        return SensorMemory(**json.loads(text)) if text else SensorMemory()


@dataclass(frozen=True)
class Promotion:
    """The latest materialisation of `promoted_policy`: its digest and Dagster's storage id of it."""

    release: str
    storage_id: int

    @property
    def batch(self) -> str:
        """The digest, and which promotion of it: a release that comes back after another is deployed again."""
        return f"{self.release[:16]}@{self.storage_id}"


@dataclass(frozen=True)
class Attempt:
    """A run that tried a batch. `ended` is None while it is under way, else seconds since the epoch."""

    run_id: str
    ended: float | None


@dataclass(frozen=True)
class StackStatus:
    """What is known of the stack without Dagster: the release on record, whether it shall run, whether it answers."""

    serving: str
    wanted: bool
    answers: bool


@dataclass(frozen=True)
class RetryPolicy:
    """How often to try, and the wait in seconds before the second attempt."""

    max_attempts: int
    retry_after_s: float


@dataclass(frozen=True)
class RequestRun:
    """Start attempt `number` of `batch`, which deploys `release`."""

    batch: str
    number: int
    release: str

    @property
    def run_key(self) -> str:
        """Dagster starts no second run with the same key."""
        return f"{self.batch}:{self.number}"


@dataclass(frozen=True)
class Skip:
    """Do nothing, for this reason."""

    reason: str


def healing_batch(memory: SensorMemory, release: str) -> str:
    """The batch that would heal a stack on which `release` no longer answers."""
    return f"{release[:16]}+heal{memory.healings}"


def settle(memory: SensorMemory, promotion: Promotion | None, deployed: str) -> SensorMemory:
    """The memory after looking at what is deployed: it moves when the promoted release has been."""
    if promotion and promotion.release != memory.done and deployed == promotion.release:
        return SensorMemory(done=promotion.release)
    return memory


def after_healing(memory: SensorMemory, stack: StackStatus, attempts: Sequence[Attempt]) -> SensorMemory:
    """The memory once a stack answers that attempts were made to heal: the next failure is a new batch."""
    if stack.answers and attempts and all(attempt.ended is not None for attempt in attempts):
        return SensorMemory(done=memory.done, healings=memory.healings + 1)
    return memory


def next_step(
    memory: SensorMemory,
    promotion: Promotion | None,
    stack: StackStatus,
    attempts: Sequence[Attempt],
    under_way: bool,
    policy: RetryPolicy,
    now: float,
) -> RequestRun | Skip:
    """What to do now. `attempts` are those of the batch in question, `under_way` says that any deployment runs.

    `memory` must be settled. The batch in question is the promotion's until that is done, then the healing's.
    """
    if promotion is None:
        return Skip("No policy has been promoted yet.")
    if under_way:
        return Skip("A deployment is under way.")
    if promotion.release != memory.done:
        return _next_attempt(promotion.batch, promotion.release, attempts, policy, now)
    if stack.wanted and not stack.answers:
        return _next_attempt(healing_batch(memory, stack.serving), stack.serving, attempts, policy, now)
    return Skip(f"Release {promotion.release[:16]} has been deployed.")


def _next_attempt(
    batch: str, release: str, attempts: Sequence[Attempt], policy: RetryPolicy, now: float
) -> RequestRun | Skip:
    made = len(attempts)
    if made >= policy.max_attempts:
        return Skip(
            f"Gave up on release {release[:16]} after {made} attempts (deployment.max_attempts): promote another, or "
            "run the deploy job by hand."
        )
    if made:
        last = max(attempt.ended or 0.0 for attempt in attempts)
        due = last + policy.retry_after_s * 2 ** (made - 1)
        if now < due:
            return Skip(f"Attempt {made} at release {release[:16]} failed; the next is due in {due - now:.0f} s.")
    return RequestRun(batch, made + 1, release)
