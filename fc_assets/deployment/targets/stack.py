"""The stack on this machine: its files, its containers, and the record of what serves. No release is chosen here.

`<home>/deployment/` holds the rendered Compose file, the proxy's and the monitors' configuration, the keys and
`state.json`. Releases are named by their digest there, never by a path. Everything goes through the `docker` command
and the proxy's published port.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from fc_assets.deployment import proxy
from fc_assets.deployment.engine import COLOURS, Colour, EngineSpec, engine_service
from fc_assets.deployment.targets.compose import CARD_MONITOR, CARD_PROFILE, MONITORS, compose_file, to_yaml
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import HOME_VARIABLE, ArtifactStore
from fc_assets.foundation.child_processes.commands import CommandError, capture
from fc_assets.names import COMPOSE_FILE
from fc_assets.profiles import DeploymentSettings
from fc_assets.serving import bounded_http
from fc_assets.serving.endpoint import Endpoint

STATE_FILE = "state.json"
MONITORING = Path(__file__).parents[1] / "monitoring"
"""The configuration of Prometheus and Grafana, part of the package; each stack has a copy."""
PULL_TIMEOUT_S = 1800.0
COMMAND_TIMEOUT_S = 120.0
_LOG_COLUMNS = 300  # vLLM prints its whole configuration on one line
_INSPECTED = "{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}} {{.Image}}"


class StackError(FcAssetsError):
    """The stack cannot be brought into the wanted state."""


@dataclass(frozen=True)
class StackState:
    """What serves now and what served before it. `wanted` is False after it was stopped on purpose."""

    serving: EngineSpec | None = None
    previous: EngineSpec | None = None
    wanted: bool = False
    since: str = ""


_STATE_FILE_FORM = TypeAdapter(StackState)


@dataclass(frozen=True)
class Container:
    """A container's status in Docker's words, its restarts, its last exit status, and the digest of its image."""

    status: str
    restarts: int
    exit_code: int
    image: str


def why_unavailable(image: str = "") -> str:
    """Why no stack can run on this machine, as the end of a sentence; empty when one can.

    With the engine's `image`, also whether it is there: a name without a slash is in no registry, it was built here.
    """
    try:
        capture(["docker", "version", "--format", "{{.Server.Version}}"], timeout_s=20)
    except CommandError:
        return "no Docker engine answers on this machine (install Docker and start its daemon)"
    try:
        capture(["docker", "compose", "version", "--short"], timeout_s=20)
    except CommandError:
        return "Docker has no Compose plugin on this machine (install Compose v2)"
    if image and "/" not in image:
        try:
            capture(["docker", "image", "inspect", "--format", "{{.Id}}", image], timeout_s=20)
        except CommandError:
            return f"the image {image} is not on this machine (deploy/README.md says how to build it)"
    return ""


@dataclass(frozen=True)
class Stack:
    """One Compose project, the store with its releases, and the folder of the same home that describes it."""

    store: ArtifactStore
    settings: DeploymentSettings

    @property
    def folder(self) -> Path:
        """Where the files of the stack lie."""
        return self.store.home / "deployment"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the stack: one deployment at a time. Raises `StackError` when another one is under way."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise StackError(f"Another deployment is under way in {self.folder}: wait for its end") from None
        finally:
            os.close(handle)

    @property
    def url(self) -> str:
        """Where the proxy listens, without a trailing slash."""
        host = "127.0.0.1" if self.settings.bind == "0.0.0.0" else self.settings.bind
        return f"http://{host}:{self.settings.port}"

    @property
    def rendered(self) -> Path:
        """The Compose file."""
        return self.folder / COMPOSE_FILE

    @property
    def key_place(self) -> str:
        """Where people find the users' key."""
        return f"in {self.folder / 'secrets' / 'api_key'}"

    def key(self, role: str) -> str:
        """The key of `api` (users) or `operator` (deployments)."""
        return (self.folder / "secrets" / f"{role}_key").read_text(encoding="ascii").strip()

    def state(self) -> StackState:
        """The record of what serves; the empty state where nothing was ever deployed.

        Raises `StackError` when the file is no such record.
        """
        file = self.folder / STATE_FILE
        try:
            return _STATE_FILE_FORM.validate_json(file.read_bytes()) if file.is_file() else StackState()
        except ValidationError as error:
            raise StackError(
                f"{file} is no record of what serves ({error.errors()[0]['msg']}): bring a copy of it back, or move it "
                "away, and `fc-assets up` deploys the latest release anew"
            ) from None

    def record(self, state: StackState) -> None:
        """Replace the record in one step."""
        _replace(self.folder / STATE_FILE, _STATE_FILE_FORM.dump_json(state, indent=2).decode() + "\n")

    def write(self, engines: Sequence[EngineSpec]) -> None:
        """Render the stack with these engines. Keys are made once; nothing is started."""
        proxy.ensure_keys(self.folder / "secrets")
        (self.folder / "proxy").mkdir(exist_ok=True)
        _replace(self.folder / "proxy" / proxy.CONFIG_FILE, proxy.render_config())
        if not (self.folder / "proxy" / proxy.ACTIVE_FILE).exists():
            _replace(self.folder / "proxy" / proxy.ACTIVE_FILE, proxy.render_active(None, ""))
        if self.settings.monitoring:
            shutil.copytree(MONITORING, self.folder / "monitoring", dirs_exist_ok=True)
        _replace(self.folder / COMPOSE_FILE, to_yaml(compose_file(engines, self.settings)))

    def compose(self, *arguments: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Run `docker compose` on this project and return what it printed."""
        command = ["docker", "compose", "--project-directory", str(self.folder), "--ansi", "never", *arguments]
        return capture(command, timeout_s=timeout_s, cwd=self.folder)

    def start_shared_services(self, on_card: bool) -> None:
        """Start what every release shares: the proxy and the monitors; with `on_card` the card's monitor too."""
        names = ["proxy"]
        if self.settings.monitoring:
            names += [*MONITORS, CARD_MONITOR] if on_card else MONITORS  # naming a service turns its profile on
        self.compose("up", "--detach", "--no-deps", *names, timeout_s=PULL_TIMEOUT_S)

    def start(self, colour: Colour) -> None:
        """Start a fresh engine of that colour, as it is in the Compose file."""
        self.compose(
            "up", "--detach", "--no-deps", "--force-recreate", engine_service(colour), timeout_s=PULL_TIMEOUT_S
        )

    def remove(self, colour: Colour) -> None:
        """Stop and remove the engine of that colour; nothing happens where there is none."""
        for container in self._ids(colour):
            capture(["docker", "stop", "--time", "30", container], timeout_s=COMMAND_TIMEOUT_S)
            capture(["docker", "rm", "--force", container], timeout_s=COMMAND_TIMEOUT_S)

    def container(self, colour: Colour) -> Container | None:
        """The engine's container, or None."""
        for container in self._ids(colour):
            shown = capture(
                ["docker", "inspect", "--format", _INSPECTED, container],
                timeout_s=COMMAND_TIMEOUT_S,
            )
            status, restarts, code, image = shown.split()
            return Container(status, int(restarts), int(code), image)
        return None

    def runs(self, colour: Colour) -> bool:
        """Whether there is an engine of that colour that has not ended."""
        container = self.container(colour)
        return container is not None and container.status == "running"

    def image(self, colour: Colour) -> str:
        """The digest of the image that the engine of that colour runs; empty where there is none."""
        container = self.container(colour)
        return container.image if container else ""

    def why_failed(self, colour: Colour) -> str:
        """Why the engine of that colour cannot come up any more, as a sentence; empty while it may."""
        container = self.container(colour)
        # Docker starts it again by itself; one that fell over while starting is not waited for.
        if container and container.status not in ("exited", "dead") and not container.restarts:
            return ""
        # While it is being started again its last status is not to be had.
        ended = container if container and container.status != "running" else None
        how = f", with status {ended.exit_code}" if ended else ""
        return f"The engine ended while it was starting{how}; {self.last_words(colour)}"

    def last_words(self, colour: Colour) -> str:
        """How the log of the engine of that colour ends."""
        return f"its log ends:\n{self.log_tail(colour)}"

    def users_endpoint(self) -> Endpoint:
        """The release that serves, as users reach it."""
        return Endpoint(self.url, self.settings.served_name, self.key("api"))

    def engine_endpoint(self, colour: Colour) -> Endpoint:
        """One engine, whether it serves or not, as the operator reaches it."""
        return Endpoint(f"{self.url}{proxy.OPERATOR_PREFIX}/{colour}", self.settings.served_name, self.key("operator"))

    def log_tail(self, colour: Colour, lines: int = 25) -> str:
        """The last lines that the engine of that colour printed, long ones cut."""
        for container in self._ids(colour):
            printed = capture(["docker", "logs", "--tail", str(lines), container], timeout_s=COMMAND_TIMEOUT_S)
            return "\n".join(line[:_LOG_COLUMNS] for line in printed.splitlines())
        return ""

    def former_folders(self) -> list[Path]:
        """Where this home lay before, as containers of this project know it that were started from there.

        Raises `StackError` when one of them still holds a stack: it is another home's, and must not be touched.
        """
        shown = self._containers("--format", '{{.Label "com.docker.compose.project.working_dir"}}')
        started_from = {Path(line).resolve() for line in shown.splitlines() if line}
        former = sorted(started_from - {self.folder.resolve()})
        for folder in former:
            if (folder / STATE_FILE).exists() or (folder / COMPOSE_FILE).exists():
                raise StackError(
                    f"The Compose project {self.settings.project} was started by another home, {folder.parent}, so "
                    f"{self.folder.parent} cannot use it: stop it there (`fc-assets down` with {HOME_VARIABLE} set to "
                    "that folder), or give this profile another deployment.project and deployment.port"
                )
        return former

    def _ids(self, colour: Colour) -> list[str]:
        # By label, not through the Compose file: the engine may be one that the file no longer lists.
        service = f"label=com.docker.compose.service={engine_service(colour)}"
        return self._containers("--quiet", "--filter", service).split()

    def _containers(self, *flags: str) -> str:
        project = f"label=com.docker.compose.project={self.settings.project}"
        return capture(["docker", "ps", "--all", "--filter", project, *flags], timeout_s=COMMAND_TIMEOUT_S)

    def point_at(self, engine: EngineSpec | None) -> None:
        """Let the proxy send new requests to this engine, or to none; requests under way end where they began."""
        colour, release = (engine.colour, engine.release) if engine else (None, "")
        _replace(self.folder / "proxy" / proxy.ACTIVE_FILE, proxy.render_active(colour, release))
        self.compose("exec", "-T", "proxy", "nginx", "-c", f"/srv/proxy/{proxy.CONFIG_FILE}", "-s", "reload")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.release_header() == release[:16]:
                return
            time.sleep(0.1)
        raise StackError(f"The proxy did not take up release {release[:16]} within 10 s: look at its log")

    def release_header(self) -> str | None:
        """Which release the proxy says it serves; empty for none, None when it does not answer."""
        try:
            answer = bounded_http.request(urllib.request.Request(f"{self.url}/health"), timeout_s=5)
            return str(answer.headers.get(proxy.RELEASE_HEADER, ""))
        except urllib.error.HTTPError as error:
            return str(error.headers.get(proxy.RELEASE_HEADER, ""))
        except OSError:
            return None

    def down(self) -> None:
        """Stop and remove every container of the project; volumes, keys and the record stay."""
        if (self.folder / COMPOSE_FILE).is_file():
            self.compose(
                "--profile",
                CARD_PROFILE,
                "down",
                "--remove-orphans",
                "--timeout",
                "30",
                timeout_s=COMMAND_TIMEOUT_S * 2,
            )
        for colour in COLOURS:
            self.remove(colour)


def now() -> str:
    """This moment in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _replace(file: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new text, never a part."""
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
