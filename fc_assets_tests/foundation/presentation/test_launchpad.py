"""What the launchpad offers of a profile: choices that it checks, ranges that it shows, the profile's own defaults."""

from typing import Annotated, Any, Literal

import dagster as dg
import pytest
from pydantic import BaseModel, Field

from fc_assets.foundation.presentation.launchpad import config_schema
from fc_assets.foundation.resources import profile_resource
from fc_assets.profiles import load_profile, profile_names


class Inner(BaseModel):
    """What is inside."""

    engine: Literal["fast", "small"] = "fast"
    modes: tuple[Literal["a", "b"], ...] = ("a",)
    none: tuple[str, ...] = ()


class Outer(BaseModel):
    rate: Annotated[float, Field(gt=0, le=1, description="Steps a second.")] = 0.5
    count: Annotated[int, Field(ge=1)] = 3
    free: str = Field("", description="Any text.")
    inner: Inner = Inner()


def checked(config: dict[str, Any]) -> list[str]:
    """What the page says of that configuration, before anything runs."""

    @dg.op(config_schema=config_schema(Outer()))
    def op() -> None: ...

    @dg.job
    def job() -> None:
        op()

    try:
        dg.validate_run_config(job, {"ops": {"op": {"config": config}}})
    except dg.DagsterInvalidConfigError as error:
        return [found.message for found in error.errors]
    return []


def test_a_choice_that_is_none_is_refused_before_anything_starts() -> None:
    assert checked({"inner": {"engine": "small", "modes": ["b", "a"]}, "rate": 0.1}) == []
    (said,) = checked({"inner": {"engine": "quick"}})
    assert "engine" in said and "quick" in said
    (said,) = checked({"inner": {"modes": ["a", "c"]}})
    assert "modes[1]" in said and "got c" in said


def test_a_number_has_its_range_in_the_description() -> None:
    fields = config_schema(Outer())
    assert fields["rate"].description == "Steps a second. (more than 0 and at most 1)"
    assert fields["count"].description == "(at least 1)"
    assert fields["free"].description == "Any text."
    assert fields["inner"].description == "What is inside."


def test_defaults_are_the_sections_values() -> None:
    fields = config_schema(Outer(count=7))
    assert fields["count"].default_value == 7
    assert fields["inner"].default_value == {"engine": "fast", "modes": ["a"], "none": []}


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_can_be_offered_beside_another(name: str) -> None:
    """Two code locations in one process, as in tests: no type of the one is a stranger to the other."""

    @dg.op(required_resource_keys={"first", "second"})
    def op() -> None: ...

    @dg.job(resource_defs={"first": profile_resource(load_profile(name)), "second": profile_resource(load_profile())})
    def job() -> None:
        op()

    dg.validate_run_config(job, {"resources": {"first": {"config": {"data": {"curation": {"gold": "drop"}}}}}})
