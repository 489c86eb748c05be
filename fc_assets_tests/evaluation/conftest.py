"""Fixtures of this folder: the external chat server, and the BFCL checker where it is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.bfcl.scores import find_python
from fc_assets.profiles import BfclSettings
from fc_assets_tests.support.evaluation_world import KnowingServer
from fc_assets_tests.support.web_server import serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[KnowingServer, str]]:
    known = KnowingServer(tmp_path)
    with serving(POST={"/v1/chat/completions": known.chat}, GET={"/v1/models": known.models}) as url:
        yield known, url


@pytest.fixture
def checker() -> None:
    try:
        find_python(BfclSettings())
    except FcAssetsError as error:
        pytest.skip(str(error))
