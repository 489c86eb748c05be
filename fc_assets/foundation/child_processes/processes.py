"""Child processes that never outlive their run.

A trainer, a server or a checker is started through a small supervisor, itself this file run as a script. The
supervisor leads a session of its own, learns from a closed pipe that its parent is gone (however the parent died), and
then ends the whole family: INT, TERM, KILL, descendants in other process groups included. The family's temporary folder
goes with it: vLLM leaves sockets behind otherwise. A supervisor that is killed takes its child with it; what the child
had started is found by the session that all of them share. What the children do does not belong here, nor does Dagster.

Every temporary folder of this project is a `temporary_folder`: short, because the path of a socket may have some 100
characters only, so not in the artefact home, and locked while its process lives, so that the next one removes what a
KILL left behind.

A child starts with the default dispositions of the signals that end it, and with none blocked, whatever this process
inherited: a shell without job control starts `COMMAND &` with SIGINT and SIGQUIT ignored, Dagster makes SIGTERM do what
SIGINT does, and what is ignored stays ignored in a child.

The supervisor imports the standard library only and starts in some 40 ms.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# INT lets vLLM and trainers end cleanly; TERM and KILL are for what does not listen.
GRACE_SECONDS = (8.0, 4.0, 4.0)
# What asks a process to end.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
MEMORY_NOTE = "memory is a likely cause: "
"""How the last line of a child's log begins when it was killed with nearly all of the machine's memory in its hands."""
_NEAR = 0.8
"""Share of the memory from which on that is said."""
_MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""A container's own limit in bytes, or `max`: control groups of version 2 and 1."""
_TEMPORARY = "fc_assets."
"""How the names of all temporary folders of this project begin."""
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Child:
    """A running child. Made by `start`; end it with `stop`, or use `running`."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]
    _lifeline: int

    @property
    def returncode(self) -> int | None:
        """Exit status once ended: negative for a signal, None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        return code if code <= 128 or code > 160 else 128 - code

    def log_tail(self, lines: int = 25) -> str:
        """The last lines of its log, for error messages."""
        if not self.log.is_file():
            return ""
        with self.log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 64_000))
            text = stream.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait(self, timeout_s: float | None = None, poll: Callable[[], None] | None = None) -> int:
        """Wait for its end, calling `poll` some five times a second; raise TimeoutError past `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self.returncode is None:
            if poll is not None:
                poll()
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} did not end within {timeout_s:.0f} s; its log is {self.log}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.2)
        return self.returncode

    def stop(self) -> None:
        """End the child and all its descendants; return when none is left."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        try:
            self.process.wait(sum(GRACE_SECONDS) + 5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.process.returncode < 0:  # the supervisor itself was killed, and could end nobody
            _end_session(self.process.pid)


def start(
    name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Child:
    """Start `argv` under a supervisor, standard output and error appended to `log`.

    `env` is added to this process's environment. The caller must call `stop`; prefer `running`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    watched, lifeline = os.pipe()
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                supervised(watched, argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                pass_fds=(watched,),
                start_new_session=True,
            )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(watched)
    return Child(name, log, process, lifeline)


def supervised(watched: int, argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` until the write end of the pipe whose read end is the descriptor `watched` closes.

    For a library that starts processes itself; it must pass the descriptor on, and start a session of its own.
    """
    return [sys.executable, "-S", "-E", __file__, str(watched), *argv]


@contextlib.contextmanager
def running(
    name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Child]:
    """`start` as a context manager: the child and its descendants are gone when the block is left."""
    child = start(name, argv, log=log, env=env, cwd=cwd)
    try:
        yield child
    finally:
        child.stop()


@contextlib.contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """A folder in the system's temporary one, removed with the block; those of killed processes are removed first."""
    sweep_temporary_folders()
    folder, lock = _new_temporary_folder(purpose)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_temporary_folders() -> None:
    """Remove this user's temporary folders whose process is gone."""
    for folder in glob.glob(os.path.join(glob.escape(tempfile.gettempdir()), f"{_TEMPORARY}*")):
        # Held, gone since, or another user's.
        with contextlib.suppress(OSError):
            if os.lstat(folder).st_uid == os.geteuid():
                lock = _lock(folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _new_temporary_folder(purpose: str) -> tuple[str, int]:
    while True:
        folder = tempfile.mkdtemp(prefix=f"{_TEMPORARY}{purpose}.")
        with contextlib.suppress(FileNotFoundError, BlockingIOError):  # a sweep saw it before it was locked
            lock = _lock(folder)
            if os.path.isdir(folder):
                return folder, lock
            os.close(lock)


def _lock(folder: str) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _processes() -> dict[int, tuple[int, int]]:
    """Parent and session of each process but zombies, from /proc (no library: the supervisor runs with -S)."""
    found: dict[int, tuple[int, int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{entry}/stat") as stream:
                state, parent, _, session = stream.read().rpartition(")")[2].split()[:4]
                if state != "Z":
                    found[int(entry)] = int(parent), int(session)
    return found


def _end_session(session: int) -> None:
    """KILL what is left of a session whose leader is gone; return when nothing is, or after some seconds.

    The kernel gives the leader's number to nobody while a process of the session lives. Where it has been given away,
    there is a leader again, and nothing of ours is left.
    """
    deadline = time.monotonic() + GRACE_SECONDS[-1]
    while time.monotonic() < deadline:
        known = _processes()
        left = [pid for pid, (_, of_session) in known.items() if of_session == session]
        if not left or session in known:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _children_of(pid: int) -> list[int]:
    """Direct and indirect children of `pid`."""
    parents = {child: parent for child, (parent, _) in _processes().items()}
    found: list[int] = []
    frontier = {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier}
        found.extend(frontier)
    return found


def _end_family(me: int) -> None:
    for number, grace in zip((signal.SIGINT, signal.SIGTERM, signal.SIGKILL), GRACE_SECONDS, strict=True):
        family = _children_of(me)
        if not family:
            return
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            _reap()
            if not _children_of(me):
                return
            time.sleep(0.02)


def _reap() -> dict[int, int]:
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = os.waitstatus_to_exitcode(status)
            if ended[pid] == -signal.SIGKILL:
                _note_memory(usage.ru_maxrss * 1024)
    return ended


def _note_memory(peak: int) -> None:
    """Say what memory a killed process had taken, in bytes, if it was nearly all: the kernel's own log is not ours."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in _MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError), open(file) as stream:
            memory = min(memory, int(stream.read()))
    if peak >= _NEAR * memory:
        print(f"{MEMORY_NOTE}it had {peak / 1e6:.0f} MB of {memory / 1e6:.0f} MB", file=sys.stderr, flush=True)


def _supervise(lifeline: int, argv: list[str]) -> int:
    """Run `argv` until it ends or the parent's end of the pipe closes; return its exit status."""
    with temporary_folder("child") as folder:
        return _run_family(lifeline, argv, {**os.environ, "TMPDIR": str(folder)})


def _run_family(lifeline: int, argv: list[str], env: dict[str, str]) -> int:
    import select

    me = os.getpid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # grandchildren whose parent ended come to us, so none escapes
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    for number in _ENDING:
        signal.signal(number, stop)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def before_exec() -> None:
        # A supervisor killed by hand must not leave the child behind.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setpgid(0, 0)
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    try:
        child = subprocess.Popen(argv, preexec_fn=before_exec, env=env)
    except OSError as error:
        print(f"cannot start {argv[0]}: {error.strerror}", file=sys.stderr)
        return 127
    code: int | None = None
    while code is None and not stopping:
        ready, _, _ = select.select([lifeline, wake], [], [], 1.0)
        if wake in ready:
            os.read(wake, 4096)
        if lifeline in ready:
            stopping = True
        code = _reap().get(child.pid)
    if code is None:
        for number, grace in zip((signal.SIGINT, signal.SIGTERM), GRACE_SECONDS[:2], strict=True):
            # Ask the child first: a server ends its own workers in order.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)
            deadline = time.monotonic() + grace
            while code is None and time.monotonic() < deadline:
                time.sleep(0.02)
                code = _reap().get(child.pid)
            if code is not None:
                break
    _end_family(me)
    if code is None:
        code = -signal.SIGKILL
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    raise SystemExit(_supervise(int(sys.argv[1]), sys.argv[2:]))
