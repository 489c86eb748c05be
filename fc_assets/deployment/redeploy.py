"""When to deploy: a state machine over promotions, deployments and attempts. Plain values; `sensors` reads and acts.

A batch is one promotion of one release, or one healing of a stack that stopped answering. Its attempts are numbered;
a failed one is followed by another after a wait that doubles, up to a number, and then nothing happens until the next
promotion. What is done is remembered only once it has succeeded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Memory:
    """What the sensor remembers: the digest deployed last, and how many healings that release has behind it."""

    done: str = ""
    healings: int = 0

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def load(text: str | None) -> Memory:
        return Memory(**json.loads(text)) if text else Memory()


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
class Stack:
    """What is known of the stack without Dagster: the release on record, whether it shall run, whether it answers."""

    serving: str
    wanted: bool
    answers: bool


@dataclass(frozen=True)
class Policy:
    """How often to try, and the wait in seconds before the second attempt."""

    max_attempts: int
    retry_after_s: float


@dataclass(frozen=True)
class Launch:
    """Start attempt `number` of `batch`, deploying `release`."""

    batch: str
    number: int
    release: str

    @property
    def run_key(self) -> str:
        return f"{self.batch}:{self.number}"


@dataclass(frozen=True)
class Rest:
    """Do nothing, for this reason."""

    reason: str


def healing_batch(memory: Memory, release: str) -> str:
    """The batch that would heal a stack on which `release` no longer answers."""
    return f"{release[:16]}+heal{memory.healings}"


def settle(memory: Memory, promotion: Promotion | None, deployed: str) -> Memory:
    """The memory after looking at what is deployed: it moves when the promoted release has been."""
    if promotion and promotion.release != memory.done and deployed == promotion.release:
        return Memory(done=promotion.release)
    return memory


def after_healing(memory: Memory, stack: Stack, attempts: Sequence[Attempt]) -> Memory:
    """The memory once a stack answers that attempts were made to heal: the next failure is a new batch."""
    if stack.answers and attempts and all(attempt.ended is not None for attempt in attempts):
        return Memory(done=memory.done, healings=memory.healings + 1)
    return memory


def next_step(
    memory: Memory,
    promotion: Promotion | None,
    stack: Stack,
    attempts: Sequence[Attempt],
    under_way: bool,
    policy: Policy,
    now: float,
) -> Launch | Rest:
    """What to do now. `attempts` are those of the batch in question, `under_way` says that any deployment runs.

    `memory` must be settled. The batch in question is the promotion's until that is done, then the healing's.
    """
    if promotion is None:
        return Rest("No policy has been promoted yet.")
    if under_way:
        return Rest("A deployment is under way.")
    if promotion.release != memory.done:
        return _attempt(promotion.batch, promotion.release, attempts, policy, now)
    if stack.wanted and not stack.answers:
        return _attempt(healing_batch(memory, stack.serving), stack.serving, attempts, policy, now)
    return Rest(f"Release {promotion.release[:16]} has been deployed.")


def _attempt(batch: str, release: str, attempts: Sequence[Attempt], policy: Policy, now: float) -> Launch | Rest:
    made = len(attempts)
    if made >= policy.max_attempts:
        return Rest(
            f"Gave up on release {release[:16]} after {made} attempts (deployment.max_attempts): promote another, or "
            "run the deploy job by hand."
        )
    if made:
        last = max(attempt.ended or 0.0 for attempt in attempts)
        due = last + policy.retry_after_s * 2 ** (made - 1)
        if now < due:
            return Rest(f"Attempt {made} at release {release[:16]} failed; the next is due in {due - now:.0f} s.")
    return Launch(batch, made + 1, release)
