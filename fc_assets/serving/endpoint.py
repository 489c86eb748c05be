"""A server that speaks OpenAI's protocol, as an address: where it is, which model it serves, and the key for it.

Starting one is `server`; what is asked of it belongs to whoever asks. Requests here are single and blocking: load
tests and evaluation have clients of their own.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# No proxy: an endpoint is this machine's own, or one that was named on purpose.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Endpoint:
    """A running OpenAI-compatible server. `base_url` has no trailing slash and no `/v1`.

    `info` holds `version`, `device`, `flags`, `start_s` (seconds until it was healthy), `model_digest`,
    `max_model_len` and, for a server started here, `pid` (of its supervisor; the server is below it) and `log`.
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers that authorise a request."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def get(self, path: str, timeout_s: float = 10.0) -> str:
        """The body of a GET. Raises OSError (`urllib.error.HTTPError` is one) when there is none."""
        with _OPENER.open(self._request(path), timeout=timeout_s) as answer:
            return str(answer.read().decode())

    def post(self, path: str, body: Mapping[str, Any], timeout_s: float = 60.0) -> dict[str, Any]:
        """The JSON object that answers a JSON body. Raises OSError, or ValueError when the answer is none."""
        request = self._request(path)
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
        with _OPENER.open(request, timeout=timeout_s) as answer:
            value = json.load(answer)
        if not isinstance(value, dict):
            raise ValueError(f"{path} answered {type(value).__name__}, not an object")
        return value

    def _request(self, path: str) -> urllib.request.Request:
        return urllib.request.Request(self.base_url + path, headers=self.headers)
