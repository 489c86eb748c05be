"""`fc-assets`: which room a command goes to, and what is said when there is none."""

from pathlib import Path

import pytest

from fc_assets import cli
from fc_assets.errors import FcAssetsError


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["--verbose"]])
def test_without_a_known_command_the_list_is_printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert all(f"  {command} " in printed.err for command in cli.COMMANDS)


def test_help_is_the_list_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: fc-assets COMMAND")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_a_room_that_takes_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert "usage: fc-assets" in capsys.readouterr().out


def test_an_error_for_people_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FC_PROFILE", "gpu-9000")
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err.startswith("error: There is no profile 'gpu-9000'")
    assert issubclass(FcAssetsError, RuntimeError)


@pytest.mark.parametrize("instance", ["missing", "a file"])
def test_a_demo_without_a_folder_for_its_instance_says_so(
    instance: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / instance))
    assert cli.main(["demo"]) == 1
    assert "which is no folder that this user may write into" in capsys.readouterr().err


def test_a_home_that_is_a_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").touch()
    monkeypatch.setenv("FC_ASSETS_HOME", str(tmp_path / "home"))
    assert cli.main(["gc"]) == 1
    assert f"The artefact home {tmp_path / 'home'} is a file: move it away" in capsys.readouterr().err
