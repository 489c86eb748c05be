"""The Dockerfiles, judged without building: they copy what is there, and pin what the set-up pins."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCKERFILES = sorted((REPOSITORY / "deploy" / "docker").glob("*.Dockerfile"))


def setup_pin(name: str) -> str:
    """A pinned requirement in the set-up of a checkout, such as `uv==1.2.3`."""
    (found,) = re.findall(rf'= "({name}==[^"]+)"', (REPOSITORY / "scripts" / "setup_env.py").read_text())
    return found


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_what_is_copied_exists_and_reaches_the_build(dockerfile: Path) -> None:
    ignored = dockerfile.with_name(f"{dockerfile.name}.dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile.read_text(), re.MULTILINE)
    sources = [source for copy in copies for source in copy.split()]
    assert sources
    assert not [source for source in sources if not (REPOSITORY / source).exists()]
    assert {source.split("/")[0] for source in sources} <= let_through


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_the_pins_are_those_of_the_set_up(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    assert re.findall(r"uv==\S+", text) == [setup_pin("uv")]
    assert set(re.findall(r"torch==\S+", text)) <= {setup_pin("torch")}


def test_images_run_as_a_user_without_privileges() -> None:
    for dockerfile in DOCKERFILES:
        user = re.findall(r"^USER (\S+)$", dockerfile.read_text(), re.MULTILINE)[-1]
        assert user in ("10001:10001", "fc"), dockerfile.name
