"""Shared by the tests of this folder: the marker of those that need a Docker engine."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: runs containers on a real Docker engine")
