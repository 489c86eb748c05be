"""Nothing outlives its run: every way in which a parent, a child or a supervisor can end."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fc_assets.foundation.child_processes import processes

STUBBORN_FAMILY = """
import os, signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
grandchild = subprocess.Popen(
    [sys.executable, "-c", "import signal,time\\nsignal.signal(2,1)\\nsignal.signal(15,1)\\ntime.sleep(600)"],
    start_new_session=True,
)
open(sys.argv[1], "w").write(f"{os.getpid()} {grandchild.pid}")
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The supervisor is this module run as a file: give it a copy with short graces."""
    source = Path(processes.__file__).read_text().replace("(8.0, 4.0, 4.0)", "(0.3, 0.3, 2.0)")
    copy = tmp_path / "supervisor.py"
    copy.write_text(source)
    monkeypatch.setattr(processes, "__file__", str(copy))


def wait_for_pids(file: Path) -> list[int]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if file.is_file() and len(file.read_text().split()) == 2:
            return [int(word) for word in file.read_text().split()]
        time.sleep(0.02)
    raise AssertionError("the family did not start")


def assert_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        alive = [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
        if not alive:
            return
        time.sleep(0.05)
    raise AssertionError(f"still alive: {alive}")


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_temporary_files_go_with_the_child(tmp_path: Path) -> None:
    script = "import tempfile; print(tempfile.mkstemp()[1])"
    with processes.running("worker", [sys.executable, "-c", script], log=tmp_path / "log") as child:
        assert child.wait(20) == 0
    left = Path(child.log_tail())
    assert left.parent != Path(tempfile.gettempdir()) and not left.parent.exists()


def test_exit_status_and_log(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('hello'); raise SystemExit(3)"]
    with processes.running("worker", argv, log=tmp_path / "log") as child:
        assert child.wait(20) == 3
    assert child.log_tail() == "hello"


def test_a_signal_is_a_negative_status(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    with processes.running("worker", argv, log=tmp_path / "log") as child:
        assert child.wait(20) == -9


def test_a_child_that_was_killed_says_when_memory_was_nearly_out(tmp_path: Path) -> None:
    killed = [sys.executable, "-c", "import os; held = b'x' * 50_000_000; os.kill(os.getpid(), 9)"]
    supervisor = Path(processes.__file__)
    with processes.running("worker", killed, log=tmp_path / "log") as child:
        assert child.wait(20) == -9
    assert child.log_tail() == "", "it was far from the machine's memory"
    supervisor.write_text(supervisor.read_text().replace("_NEAR = 0.8", "_NEAR = 0.0"))
    with processes.running("worker", killed, log=tmp_path / "log") as child:
        assert child.wait(20) == -9
    peak, total = re.fullmatch(rf"{processes.MEMORY_NOTE}it had (\d+) MB of (\d+) MB", child.log_tail()).groups()
    assert 50 <= int(peak) < int(total)


def test_the_status_of_git_where_there_is_no_checkout_is_no_success(tmp_path: Path) -> None:
    with processes.running("fails", ["sh", "-c", "exit 128"], log=tmp_path / "log") as child:
        assert child.wait(20) == 128


def test_a_command_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with processes.running("worker", ["/no/such/command"], log=tmp_path / "log") as child:
        assert child.wait(20) == 127
    assert "/no/such/command" in child.log_tail()


def test_leaving_the_block_ends_child_and_grandchild(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with processes.running("family", [sys.executable, "-c", STUBBORN_FAMILY, str(pids)], log=tmp_path / "log"):
        family = wait_for_pids(pids)
    assert_gone(family)


def test_a_child_that_ends_leaves_no_grandchild(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = STUBBORN_FAMILY[: STUBBORN_FAMILY.rindex("time.sleep(600)")]
    with processes.running("family", [sys.executable, "-c", script, str(pids)], log=tmp_path / "log") as child:
        family = wait_for_pids(pids)
        assert child.wait(20) == 0
    assert_gone(family)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_leaves_nothing(tmp_path: Path, number: int) -> None:
    pids = tmp_path / "pids"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(f"""
            import sys, time
            from pathlib import Path
            from fc_assets.foundation.child_processes import processes
            processes.__file__ = {processes.__file__!r}
            family = {STUBBORN_FAMILY!r}
            argv = [sys.executable, "-c", family, {str(pids)!r}]
            processes.start("family", argv, log=Path({str(tmp_path / "log")!r}))
            time.sleep(600)
        """),
        ]
    )
    family = wait_for_pids(pids)
    folder = Path(psutil.Process(family[0]).environ()["TMPDIR"])
    assert folder.is_dir()
    os.kill(parent.pid, number)
    parent.wait()
    assert_gone(family)
    wait_until(lambda: not folder.exists())


def test_a_killed_supervisor_takes_the_child_with_it(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = processes.start("sleeper", argv, log=tmp_path / "log")
    deadline = time.monotonic() + 20
    while not (sleepers := psutil.Process(child.process.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.process.pid, signal.SIGKILL)
    child.stop()
    assert_gone([sleeper.pid for sleeper in sleepers])


def test_what_a_killed_supervisor_leaves_is_removed_by_the_next_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    killed = processes.start("killed", sleep, log=tmp_path / "log")
    wait_until(lambda: len(list(tmp_path.glob("fc_assets.child.*"))) == 1)
    (left,) = tmp_path.glob("fc_assets.child.*")
    with processes.temporary_folder("own"):
        assert left.is_dir(), "its process lives"
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.stop()
    assert left.is_dir()
    with processes.temporary_folder("own") as own:
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == [own]
    assert not own.exists()


def test_waiting_too_long_is_a_timeout(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        processes.running("sleeper", argv, log=tmp_path / "log") as child,
        pytest.raises(TimeoutError, match="sleeper"),
    ):
        child.wait(0.3)


ASKED_TO_END = """
import signal, sys, time
print(*(signal.getsignal(number) is not signal.SIG_IGN for number in (2, 15, 1, 3)), flush=True)
print(len(signal.pthread_sigmask(signal.SIG_BLOCK, ())), flush=True)
try:
    time.sleep(600)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_a_child_listens_to_signals_that_its_parent_ignores_or_blocks(tmp_path: Path) -> None:
    """As under a shell without job control, which starts background commands with SIGINT and SIGQUIT ignored."""
    log = tmp_path / "log"
    script = f"""
import signal, sys, time
from pathlib import Path
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
from fc_assets.foundation.child_processes import processes
child = processes.start("listener", [sys.executable, "-c", {ASKED_TO_END!r}], log=Path({str(log)!r}))
deadline = time.monotonic() + 20
while len(child.log_tail().splitlines()) < 2 and time.monotonic() < deadline:
    time.sleep(0.02)
asked = time.monotonic()
child.stop()
print(time.monotonic() - asked)
"""
    parent = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert parent.returncode == 0, parent.stderr
    assert log.read_text().splitlines() == ["True True True True", "0", "interrupted"]
    assert float(parent.stdout) < 2


FORKED_FAMILY = """
import os, socket, sys, time
held = socket.create_server(("127.0.0.1", 0))
if os.fork() == 0:
    os.setpgid(0, 0)
    time.sleep(600)
open(sys.argv[1], "w").write(f"{os.getpid()} {held.getsockname()[1]}")
time.sleep(600)
"""
"""As vLLM's API server and its engine, which keeps the port."""


def test_a_killed_supervisor_leaves_no_grandchild_and_no_port_behind(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with processes.running("family", [sys.executable, "-c", FORKED_FAMILY, str(pids)], log=tmp_path / "log") as child:
        server, port = wait_for_pids(pids)
        family = [each.pid for each in psutil.Process(server).children()]
        os.kill(child.process.pid, signal.SIGKILL)
        assert child.wait(5) == -signal.SIGKILL
        assert_gone([server])
        assert len(family) == 1 and psutil.pid_exists(family[0]), "only the end of the block finds it"
    assert_gone(family)
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))


def test_a_session_that_is_somebody_elses_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as leader:
        processes._end_session(leader.pid)
        processes._end_session(os.getsid(0) + 10_000_000)
        assert leader.poll() is None
        leader.kill()
