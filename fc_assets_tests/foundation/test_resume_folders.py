"""Who holds a resume folder, and when it may go."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.resume_folders import held, note_published, sweep_recorded

HOLDING = """
import sys, time
from pathlib import Path
from fc_assets.foundation.resume_folders import held
with held(Path(sys.argv[1]), "run-1"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "resume" / "predictions" / "base" / "0123"


def test_a_second_process_is_refused_by_name_until_the_first_is_gone(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDING, str(folder)], stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout.readline() == "held\n"
            with pytest.raises(FcAssetsError, match=rf"Process {first.pid} on .* \(run run-1\) works in .*: wait"):
                held(folder, "run-2").__enter__()
        finally:
            os.kill(first.pid, signal.SIGKILL)
    with held(folder, None), pytest.raises(FcAssetsError, match=rf"Process {os.getpid()} on .* \(started by hand\)"):
        held(folder, "run-2").__enter__()
    with held(folder, "run-2"):
        pass


def test_what_is_recorded_goes_and_what_is_not_or_is_held_stays(folder: Path) -> None:
    home = folder.parents[3]
    other = home / "resume" / "lora_adapter" / "4567"
    for made, asset in ((folder, "predictions/base"), (other, "lora_adapter")):
        with held(made, "run"):
            note_published(made, asset, "run")
    (home / "resume" / "lora_adapter" / "unpublished").mkdir()
    assert sweep_recorded(home, lambda published: False) == []
    with held(folder, "run"):
        assert sweep_recorded(home, lambda published: published.asset == "predictions/base") == []
    assert sweep_recorded(home, lambda published: published.asset == "predictions/base") == [folder]
    assert not folder.exists() and other.is_dir()
    assert sweep_recorded(home, lambda published: published.run == "run") == [other]
    assert [path.name for path in (home / "resume" / "lora_adapter").iterdir()] == ["unpublished"]


def test_half_a_note_is_no_reason_to_remove_anything(folder: Path) -> None:
    with held(folder, "run"):
        note_published(folder, "thing", "run")
    note = folder / "published.json"
    note.write_text(note.read_text()[:10])
    assert sweep_recorded(folder.parents[3], lambda published: True) == []
    assert folder.is_dir()
