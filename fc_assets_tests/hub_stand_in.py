"""A model hub on this machine: enough of its protocol for `huggingface_hub` to list, download and resume.

Serves the files of folders; can demand a token, cut a download short, and counts what it was asked. Used by the tests
of everything that loads from a hub, since no test may reach a real one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "5f0b02c75b57c5855da9ae460ce51323ea669d8a"


@dataclass
class Hub:
    """`repos` maps "models/owner/name" or "datasets/owner/name" to a folder. `gated` repositories need the token.

    `cut_after` ends the first download of each file after that many bytes; 0 does not.
    """

    repos: dict[str, Path]
    url: str = ""
    token: str = "hf_stand_in"
    gated: set[str] = field(default_factory=set)
    cut_after: int = 0
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    already_cut: set[str] = field(default_factory=set)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Quiet: the hub counts its requests instead."""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        wanted = self.rfile.read(length)
        path = unquote(urlsplit(self.path).path)
        kind, _, rest = path.removeprefix("/api/").partition("/")
        owner, name, *_ = rest.split("/")
        folder = self.hub.repos.get(f"{kind}/{owner}/{name}")
        if folder is None or "paths-info" not in path:
            return self._json(404, {"error": "not found"})
        form = json.loads(wanted) if wanted.startswith(b"{") else {"paths": []}
        paths = form["paths"] if isinstance(form["paths"], list) else [form["paths"]]
        return self._json(200, [self._entry(folder, folder / item) for item in paths if (folder / item).is_file()])

    def _answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, self.headers.get("Range", "")))
        if path.startswith("/api/"):
            kind, *rest = path.removeprefix("/api/").split("/")
            if kind not in ("models", "datasets") or len(rest) < 2:
                return self._json(404, {"error": "not found"})
            return self._api(f"{kind}/{rest[0]}/{rest[1]}", rest[2:])
        if "/resolve/" in path:
            repo, _, rest = path.lstrip("/").partition("/resolve/")
            repo = repo if repo.startswith("datasets/") else f"models/{repo}"
            return self._file(repo, rest.partition("/")[2], body)
        return self._json(404, {"error": "not found"})

    def _refused(self, repo: str) -> bool:
        if repo not in self.hub.repos:
            self._json(
                404 if self._authorised() else 401, {"error": "no such repository"}, {"X-Error-Code": "RepoNotFound"}
            )
            return True
        if repo in self.hub.gated and not self._authorised():
            self._json(
                401, {"error": "gated"}, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"}
            )
            return True
        return False

    def _authorised(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _api(self, repo: str, rest: list[str]) -> None:
        if repo not in self.hub.repos:
            self._refused(repo)
            return
        folder = self.hub.repos[repo]
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        if rest[:1] == ["tree"]:
            below = folder.joinpath(*rest[2:])
            self._json(200, [self._entry(folder, path) for path in files if path.is_relative_to(below)])
            return
        names = [{"rfilename": path.relative_to(folder).as_posix()} for path in files]
        key = repo.partition("/")[2]
        gated = "auto" if repo in self.hub.gated else False
        self._json(
            200,
            {"id": key, "modelId": key, "sha": COMMIT, "private": False, "gated": gated, "tags": [], "siblings": names},
        )

    def _entry(self, folder: Path, path: Path) -> dict[str, object]:
        oid = hashlib.sha1(path.read_bytes()).hexdigest()
        return {"type": "file", "path": path.relative_to(folder).as_posix(), "size": path.stat().st_size, "oid": oid}

    def _file(self, repo: str, name: str, body: bool) -> None:
        if self._refused(repo):
            return
        file = self.hub.repos[repo] / name
        if not file.is_file():
            self._json(404, {"error": "no such file"}, {"X-Error-Code": "EntryNotFound"})
            return
        content = file.read_bytes()
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        part = content[start:]
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Accept-Ranges", "bytes")
        if "Range" in self.headers:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if not body:
            return
        if self.hub.cut_after and name not in self.hub.already_cut and len(part) > self.hub.cut_after:
            self.hub.already_cut.add(name)
            part = part[: self.hub.cut_after]
            self.close_connection = True
        self.wfile.write(part)

    def _json(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for key, text in {"Content-Type": "application/json", "X-Repo-Commit": COMMIT, **(headers or {})}.items():
            self.send_header(key, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve `hub` on a free port of 127.0.0.1 until the block is left; its address is `hub.url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
