"""What the tests of the chart share: a real Helm on PATH."""

import pytest

from fc_assets_tests.support.helm import use_helm


@pytest.fixture
def helm(monkeypatch: pytest.MonkeyPatch) -> None:
    use_helm(monkeypatch)
