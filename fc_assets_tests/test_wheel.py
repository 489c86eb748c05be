"""An installed package has every file of the checkout's: code, profiles, templates, monitoring, the embedded model."""

from pathlib import Path

import pytest

from fc_assets_tests.support.wheel import CHECKOUT, unpacked_wheel

PACKAGE = CHECKOUT / "fc_assets"


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return files_of(unpacked_wheel(tmp_path_factory.mktemp("wheel")) / "fc_assets")


def test_nothing_of_the_package_is_left_out(installed: set[str]) -> None:
    wanted = {name for name in files_of(PACKAGE) if "__pycache__" not in name}
    assert sorted(wanted - installed) == []


@pytest.mark.parametrize(
    "name",
    [
        "deployment/monitoring/prometheus/alerts.yml",
        "deployment/monitoring/grafana/provisioning/datasources/prometheus.yml",
        "deployment/templates/nginx.conf.j2",
        "release/templates/model_card.md.j2",
        "profiles/demo.yaml",
        "training/demo/model/model.safetensors",
    ],
)
def test_what_is_no_code_is_there_too(installed: set[str], name: str) -> None:
    assert name in installed
