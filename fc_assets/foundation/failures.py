"""What a failed step says to people: the sentence that its page shows.

Raising one is `resources.StepError`; who is shown it is for the command and the notifications to decide.
"""

from __future__ import annotations

import dagster as dg

ERROR_KIND = "error"
"""The class of the error that stopped a step, in the metadata of its failure."""


def failure_sentence(event: dg.DagsterEvent) -> str:
    """The reason in the event of a failed step: the sentence written for people, else the error that began it."""
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error and error.cause:  # Dagster wraps what escaped a step
        error = error.cause
    return error.message.strip() if error else "no reason was recorded"
