"""One small home with runs in it, one `dagster dev` and one Chromium for all tests of this folder.

The home holds what the evaluation's stand-in makes: the policy's answers are wrong on a third of the rows, so its gates
are red. With FC_SCREENSHOTS set to a folder, each test leaves a picture of how the page looked at its end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fc_assets.evaluation.assets import predictions_key
from fc_assets.names import EVAL_REPORT, VARIANT_MODELS
from fc_assets_tests.support.evaluation_world import KnowingServer, World, bfcl_stand_ins, fast
from fc_assets_tests.support.graph import ROOT
from fc_assets_tests.support.page import chromium, dagster_dev, why_no_browser
from fc_assets_tests.support.web_server import serving


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if missing := why_no_browser():
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("page")
    instance_home, home = folder / "dagster", folder / "home"
    instance_home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", instance_home)
    with dg.DagsterInstance.from_config(str(instance_home)) as instance:
        evaluate_a_bad_policy(home, instance)
    with dagster_dev(instance_home, home, folder / "dev.log") as url:
        yield url


def evaluate_a_bad_policy(home: Path, instance: dg.DagsterInstance) -> None:
    known = KnowingServer(home)
    known.wrong_on_thirds = {"base", "grpo"}
    with serving(POST={"/v1/chat/completions": known.chat}, GET={"/v1/models": known.models}) as url:
        world = World(home, fast(url), instance=instance)
        world.materialise([predictions_key(variant).to_user_string() for variant in VARIANT_MODELS])
        dg.materialize(bfcl_stand_ins(world.profile), resources=world.resources, instance=instance)
        world.materialise([EVAL_REPORT])


@pytest.fixture(scope="module")
def window(address: str) -> Iterator[Any]:
    with chromium(address) as page:
        yield page


@pytest.fixture
def page(window: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The browser's one page; what a test did before is still in the instance, not in the page."""
    yield window
    if folder := os.environ.get("FC_SCREENSHOTS"):
        window.screenshot(path=Path(folder) / f"{request.node.name}.png")
