"""The sentence of a failed step, as people find it on its page."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.failures import failure_sentence
from fc_assets.foundation.resources import Runtime, StepError, build_resources
from fc_assets.profiles import load_profile


def refuse() -> None:
    raise StepError("lora_adapter: the disk is full")


def escape() -> None:
    raise ValueError("seven is not a colour")


def wrap() -> None:
    try:
        escape()
    except ValueError as error:
        raise RuntimeError("while painting") from error


@dg.asset(ins={"missing": dg.AssetIn(dg.AssetKey("never_made"))})
def hopeless_input(missing: Artifact) -> None: ...


@dg.asset
def hopeless_step(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> None:
    with runtime.step(context):
        raise FcAssetsError("row 7 has no colour; give it one")


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


@pytest.mark.parametrize("materialised", [hopeless_input, hopeless_step], ids=["an input", "its own step"])
def test_the_sentence_is_what_the_page_shows_first_and_no_trace_of_where_it_came_from_follows(
    materialised: dg.AssetsDefinition, tmp_path: Path
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        resources = build_resources(load_profile("demo"), tmp_path)
        assets = [dg.AssetSpec("never_made"), materialised]
        result = dg.materialize(assets, instance=instance, resources=resources, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    error = event.step_failure_data.error
    assert error.message.strip().endswith(failure_sentence(event))
    assert error.cause is None and error.context is None
