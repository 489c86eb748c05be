"""The sentence of a failed step, as people find it on its page."""

from collections.abc import Callable

import dagster as dg
import pytest

from fc_assets.foundation.failures import failure_sentence
from fc_assets.foundation.resources import StepError


def refuse() -> None:
    raise StepError("lora_adapter: the disk is full")


def escape() -> None:
    raise ValueError("seven is not a colour")


def wrap() -> None:
    try:
        escape()
    except ValueError as error:
        raise RuntimeError("while painting") from error


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (refuse, "lora_adapter: the disk is full"),
        (escape, "ValueError: seven is not a colour"),
        (wrap, "ValueError: seven is not a colour"),
    ],
)
def test_the_sentence_is_the_one_for_people_else_the_error_that_began_it(
    work: Callable[[], None], sentence: str
) -> None:
    @dg.asset
    def made() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([made], instance=instance, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert failure_sentence(event) == sentence
