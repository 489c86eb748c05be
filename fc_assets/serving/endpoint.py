"""A server that speaks OpenAI's protocol, as an address: where it is, which model it serves, and the key for it.

Starting one is `server`; which questions it is asked is the caller's choice. Requests here are single and blocking:
load tests and evaluation have clients of their own.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fc_assets.serving import bounded_http


@dataclass(frozen=True)
class ServerInfo:
    """What is known of a running server.

    `device` is "external" for one that was not started here. `flags` are vLLM's, `start_s` the seconds until it was
    healthy, `model_digest` the artefact that it serves. An external server cannot prove what it serves: its
    `model_digest` is empty, and `claim` is the name under which it says that it serves the artefact. `max_model_len` is
    None where the server does not say. Only a server started here has a `log` and a `pid`, that of its supervisor; the
    server is a child of it.
    """

    version: str = "unknown"
    device: str = "external"
    flags: tuple[str, ...] = ()
    start_s: float = 0.0
    model_digest: str = ""
    claim: str = ""
    max_model_len: int | None = None
    pid: int = 0
    log: Path | None = None

    def record(self) -> dict[str, Any]:
        """What an artefact keeps of it: all but `pid` and `log`, which mean nothing on another day."""
        fields = asdict(self)
        del fields["pid"], fields["log"]
        return {**fields, "flags": list(self.flags)}


def _unknown() -> str:
    return ""


@dataclass(frozen=True)
class Endpoint:
    """A running OpenAI-compatible server. `base_url` has no trailing slash and no `/v1`.

    `ended` says in a sentence how the server's process ended; it is empty while that runs, and for an external server.
    Whoever waits for answers asks it: a killed server may leave a process behind that takes requests and answers none.
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    info: ServerInfo = ServerInfo()
    ended: Callable[[], str] = field(default=_unknown, repr=False, compare=False)

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers that authorise a request."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def get(self, path: str, timeout_s: float = 10.0) -> str:
        """The body of a GET, within `timeout_s` as a whole. Raises OSError (`urllib.error.HTTPError` is one)."""
        return bounded_http.request(self._request(path), timeout_s).body.decode("utf-8", "replace")

    def models(self, timeout_s: float = 10.0) -> dict[str, Mapping[str, Any]]:
        """The models in `/v1/models`: each name with what else the server says of it.

        Raises OSError, or ValueError when the answer is no list of models.
        """
        listed = bounded_http.json_object(self.get("/v1/models", timeout_s)).get("data")
        if not isinstance(listed, list) or not all(isinstance(model, dict) and "id" in model for model in listed):
            raise ValueError("/v1/models gave no list of models")
        return {str(model["id"]): model for model in listed}

    def post(self, path: str, body: Mapping[str, Any], timeout_s: float = 60.0) -> dict[str, Any]:
        """The JSON object that answers a JSON body, within `timeout_s` as a whole.

        Raises OSError, or ValueError when the answer is none.
        """
        request = self._request(path)
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
        return bounded_http.json_object(bounded_http.request(request, timeout_s).body)

    def _request(self, path: str) -> urllib.request.Request:
        return urllib.request.Request(self.base_url + path, headers=self.headers)
