"""A vLLM server for as long as a block needs it: `with serve(model, settings, name=..., log=...) as endpoint`.

Starting it, waiting for its health and ending it belong here. Its flags are in `vllm_command`, requests in `endpoint`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import socket
import sys
import time
import urllib.error
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes import processes
from fc_assets.foundation.planning.machine import this_machine
from fc_assets.foundation.planning.preflight import server_refusal
from fc_assets.profiles import ServerSettings
from fc_assets.serving.bounded_http import json_object
from fc_assets.serving.endpoint import Endpoint, ServerInfo
from fc_assets.serving.vllm_command import flags_for, vllm_command

API_KEY_VARIABLE = "FC_API_KEY"
"""Holds the key of an external server (`server.api_url`); a server started here gets a random one."""

CLAIMED = "external, claimed by name: "
"""Begins the record of what an external server serves."""

_HOST = "127.0.0.1"
_DIGITS = 16
_CLAIM = re.compile(rf"-([0-9a-f]{{{_DIGITS}}})$")
_POLL_SECONDS = 0.1
_PORT_ATTEMPTS = 3
_PORT_TAKEN = "address already in use"
_TAIL_LINES = 10
_EXCEPTION = re.compile(
    # A line may begin with its process, "(APIServer pid=7) ", and with the place in vLLM that logged it.
    r"^(?:\(\w+ pid=\d+\) )?(?:ERROR .*?\] +)?(?:[\w.]*(?:Error|Exception): |  Value error, )(.+)",
    re.MULTILINE,
)
_NOT_A_CAUSE = ("Engine core initialization failed", "WorkerProc initialization failed")  # the reason is further up


class ServerError(FcAssetsError):
    """The server did not start, or is not the one that was asked for."""


@contextlib.contextmanager
def serve(model: Path, settings: ServerSettings, *, name: str, log: Path, model_digest: str) -> Iterator[Endpoint]:
    """Serve the checkpoint folder `model` of the artefact `model_digest` under the name `name` until the block is left.

    With `settings.api_url` that server is used instead and nothing is started: see `connect_to_artifact`. Raises
    `ServerError` with the end of the log when the server dies or is not healthy within `settings.start_timeout_s`.
    """
    if settings.api_url:
        yield connect_to_artifact(settings.api_url, name, model_digest)
        return
    if not (model / "config.json").is_file():
        raise ServerError(f"There is no checkpoint to serve at {model}: it has no config.json")
    if refused := server_refusal(model, settings, this_machine(log.parent)):
        raise ServerError(refused)
    if settings.port and _is_taken(settings.port):
        raise ServerError(
            f"Port {settings.port} is in use on this machine: set server.port to another one, or to 0 for any free one"
        )
    with contextlib.ExitStack() as stack:
        yield _start(stack, model, settings, name, log, model_digest)


def connect(api_url: str, name: str = "") -> Endpoint:
    """The server at `api_url`, its key taken from `$FC_API_KEY`.

    It must serve a model called `name`, or one model only. Raises `ServerError` when it does not answer.
    """
    server, served = _ask_models(api_url)
    if name not in served and len(served) != 1:
        raise ServerError(f"The server at {server.base_url} serves {_listed(served)}, but not {name!r}")
    return _external(server, name if name in served else next(iter(served)), served)


def connect_to_artifact(api_url: str, name: str, digest: str) -> Endpoint:
    """The server at `api_url`, which must say that it serves the artefact `digest`; `name` is how people know it.

    It says so by a model whose name ends with the first digits of the digest, as those of a deployment do. So no model
    answers for another one, and a server with yesterday's model is refused; so is one that has the names of several
    artefacts for one checkpoint, as far as it says what is behind a name (vLLM's `root`). Raises `ServerError`.
    """
    server, served = _ask_models(api_url)
    chosen = next((model for model in served if model.endswith(f"-{digest[:_DIGITS]}")), None)
    if chosen is None:
        raise ServerError(
            f"The server at {server.base_url} serves {_listed(served)}, and nothing says that one of them is {name} "
            f"{digest[:_DIGITS]}: start it with --served-model-name {name}-{digest[:_DIGITS]}, or empty server.api_url "
            "to have one started here"
        )
    root = served[chosen].get("root")
    names = [model for model in served if root and served[model].get("root") == root and _digest_of(model)]
    if len({_digest_of(model) for model in names}) > 1:
        raise ServerError(
            f"The server at {server.base_url} calls one checkpoint, {root}, by the names of several artefacts "
            f"({', '.join(names)}), of which it can be only one: serve each under its own digest alone"
        )
    return _external(server, chosen, served, claim=f"{CLAIMED}{chosen}")


def _digest_of(model: str) -> str:
    """The digits with which a served name claims to be an artefact; empty for another name."""
    found = _CLAIM.search(model)
    return found[1] if found else ""


def _ask_models(api_url: str) -> tuple[Endpoint, dict[str, Mapping[str, Any]]]:
    """The server, and the models that it serves: each name with what else the server says of it."""
    base_url = api_url.rstrip("/").removesuffix("/v1")
    endpoint = Endpoint(base_url, "", os.environ.get(API_KEY_VARIABLE, ""))
    try:
        return endpoint, endpoint.models()
    except urllib.error.HTTPError as error:
        hint = f"; put its key into {API_KEY_VARIABLE}" if error.code == 401 else ""
        raise ServerError(f"The server at {base_url} answered {error.code} to /v1/models{hint}") from error
    except (OSError, ValueError) as error:
        raise ServerError(
            f"No OpenAI-compatible server answers at {base_url} ({error}); start it, or correct server.api_url"
        ) from error


def _external(server: Endpoint, model: str, served: Mapping[str, Mapping[str, Any]], claim: str = "") -> Endpoint:
    length = served[model].get("max_model_len")
    said = length if isinstance(length, int) and length > 0 else None
    info = ServerInfo(version=_version(server), claim=claim, max_model_len=said)
    return Endpoint(server.base_url, model, server.api_key, info)


def _listed(served: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(served) or "no model"


def _start(
    stack: contextlib.ExitStack, model: Path, settings: ServerSettings, name: str, log: Path, model_digest: str
) -> Endpoint:
    began = time.monotonic()
    for _ in range(_PORT_ATTEMPTS):
        attempt = stack.enter_context(contextlib.ExitStack())
        port = settings.port or _free_port()
        log_start = log.stat().st_size if log.is_file() else 0
        key = secrets.token_urlsafe(24)
        argv, env = _command(model, settings, name, port, key)
        child = attempt.enter_context(processes.running(f"vLLM server for {name}", argv, log=log, env=env))
        endpoint = Endpoint(f"http://{_HOST}:{port}", name, key)
        if _wait(child, endpoint, settings, began):
            info = ServerInfo(
                version=_version(endpoint),
                device=settings.device,
                flags=tuple(flags_for(settings)),
                start_s=round(time.monotonic() - began, 2),
                model_digest=model_digest,
                max_model_len=settings.max_model_len,
                pid=child.process.pid,
                log=log,
            )
            return Endpoint(endpoint.base_url, name, key, info, functools.partial(_ended, child))
        attempt.close()
        # Another process may have taken the port between choosing and binding it: only then is another try worth it.
        if settings.port or _PORT_TAKEN not in _text_from(log, log_start).lower():
            break
    cause = _cause(_text_from(log, log_start))
    raise ServerError(
        f"vLLM ended with status {child.returncode} before it could serve {name}{': ' * bool(cause)}{cause}. "
        f"Its log {log} ends:\n{child.log_tail(_TAIL_LINES)}"
    )


def _ended(child: processes.Child) -> str:
    code = child.returncode
    return "" if code is None else f"The {child.name} ended with status {code}; its log is {child.log}"


def _command(model: Path, settings: ServerSettings, name: str, port: int, key: str) -> tuple[list[str], dict[str, str]]:
    command = vllm_command(settings, str(model), [name], _HOST, port)
    # The key is not a flag: the process list is public.
    return [sys.executable, *command.argv], {**command.environment, "VLLM_API_KEY": key, "PYTHONUNBUFFERED": "1"}


def _wait(child: processes.Child, endpoint: Endpoint, settings: ServerSettings, began: float) -> bool:
    """Wait until the server is healthy and knows our key; False when its process ended first."""
    while child.returncode is None:
        # /health needs no key: asking for the models proves that it is our server which answers on this port.
        with contextlib.suppress(OSError):
            endpoint.get("/health", timeout_s=2)
            endpoint.get("/v1/models", timeout_s=2)
            return True
        if time.monotonic() - began > settings.start_timeout_s:
            raise ServerError(
                f"vLLM was not ready to serve {endpoint.model} within {settings.start_timeout_s} s "
                f"(server.start_timeout_s). Its log {child.log} ends:\n{child.log_tail(_TAIL_LINES)}"
            )
        time.sleep(_POLL_SECONDS)
    return False


def _version(endpoint: Endpoint) -> str:
    try:
        return str(json_object(endpoint.get("/version"))["version"])
    except (OSError, ValueError, KeyError):
        return "unknown"  # only vLLM has /version; other servers are welcome


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind((_HOST, port))
        except OSError:
            return True
    return False


def _cause(log: str) -> str:
    """The message of the last exception in a log that names a cause; empty when there is none."""
    found = [message for message in _EXCEPTION.findall(log) if not message.startswith(_NOT_A_CAUSE)]
    return found[-1].strip().rstrip(".") if found else ""


def _text_from(file: Path, start: int) -> str:
    with file.open("rb") as stream:
        stream.seek(start)
        return stream.read().decode("utf-8", "replace")
