"""A hub on this machine: enough of its protocol for `huggingface_hub` and `datasets` to list, download, resume, commit.

Serves the files of folders as models or data sets, and takes commits where a `root` for new repositories is given; can
demand a token, cut transfers short, and counts what it was asked. Used by the tests of everything that talks to a hub,
since no test may reach a real one.
"""

from __future__ import annotations

import base64
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
EXPIRED_TOKEN = "hf_expired"
"""A token that every hub here refuses."""


@dataclass
class Hub:
    """`repos` maps "models/owner/name" or "datasets/owner/name" to a folder. `gated` repositories need the token.

    `cut_after` ends the next `cuts` downloads of more bytes after that many; 0 does not. New repositories are made
    below `root`, by accounts that may write to their owner: `writers` maps an owner to its token. `breaks_at` closes
    the connection on requests whose path contains it, `refuses` answers them with that status.
    """

    repos: dict[str, Path]
    url: str = ""
    token: str = "hf_stand_in"
    gated: set[str] = field(default_factory=set)
    cut_after: int = 0
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    cuts: int = 1
    root: Path | None = None
    writers: dict[str, str] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    breaks_at: str = ""
    refuses: dict[str, int] = field(default_factory=dict)


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
        wanted = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, ""))
        if self.hub.breaks_at and self.hub.breaks_at in path:
            self.close_connection = True
            return None
        if status := next((status for part, status in self.hub.refuses.items() if part in path), 0):
            # As a careless server might, it repeats what it was sent.
            return self._json(status, {"error": f"no: {self.headers['Authorization']}"})
        if path == "/api/validate-yaml":
            return self._json(200, {"warnings": [], "errors": []})
        if path == "/api/repos/create":
            return self._create(json.loads(wanted))
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._json(200, {"transfer": "basic", "objects": [self._upload(e) for e in _objects(wanted)]})
        kind, _, rest = path.removeprefix("/api/").partition("/")
        owner, name, action, *_ = [*rest.split("/"), ""]
        key = f"{kind}/{owner}/{name}"
        folder = self.hub.repos.get(key)
        if folder is None or self._token() == EXPIRED_TOKEN:
            self._refused(key, reading=False)
            return None
        if action in ("preupload", "commit") and not self._may_write(owner):
            return self._json(403, {"error": "this token may only read"})
        if action == "preupload":
            return self._json(200, {"files": [_upload_mode(folder, entry) for entry in json.loads(wanted)["files"]]})
        if action == "commit":
            return self._commit(folder, f"{owner}/{name}", [json.loads(line) for line in wanted.splitlines()])
        if action != "paths-info":
            return self._json(404, {"error": "not found"})
        form = json.loads(wanted) if wanted.startswith(b"{") else {"paths": []}
        paths = form["paths"] if isinstance(form["paths"], list) else [form["paths"]]
        return self._json(200, [self._entry(folder, folder / item) for item in paths if (folder / item).is_file()])

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.requests.append((self.command, self.path, ""))
        self.hub.uploads[self.path.rpartition("/")[2]] = content
        self._json(200, {})

    def _may_write(self, owner: str) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.writers.get(owner)}"

    def _create(self, wanted: dict[str, str]) -> None:
        key = f"models/{wanted['organization']}/{wanted['name']}"
        if not self._authorised():
            return self._json(401, {"error": "Invalid username or password."})
        if self.hub.root is None or not self._may_write(wanted["organization"]):
            return self._json(403, {"error": "You don't have the rights to create a model under this namespace"})
        self.hub.repos[key] = self.hub.root / wanted["organization"] / wanted["name"]
        self.hub.repos[key].mkdir(parents=True)
        (self.hub.repos[key] / ".gitattributes").write_text("*.safetensors filter=lfs\n")
        if wanted.get("visibility") == "private":
            self.hub.private.add(key)
        return self._json(200, {"url": f"{self.hub.url}/{wanted['organization']}/{wanted['name']}"})

    def _upload(self, entry: dict[str, object]) -> dict[str, object]:
        if entry["oid"] in self.hub.uploads:
            return entry
        return {**entry, "actions": {"upload": {"href": f"{self.hub.url}/uploads/{entry['oid']}"}}}

    def _commit(self, folder: Path, repository: str, lines: list[dict[str, dict[str, str]]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.hub.commits.append(value["summary"])
            elif line["key"] == "deletedFile":
                (folder / value["path"]).unlink()
            else:
                large = line["key"] == "lfsFile"
                content = self.hub.uploads[value["oid"]] if large else base64.b64decode(value["content"])
                (folder / value["path"]).parent.mkdir(parents=True, exist_ok=True)
                (folder / value["path"]).write_bytes(content)
        commit = self._head()
        self._json(200, {"commitUrl": f"{self.hub.url}/{repository}/commit/{commit}", "commitOid": commit})

    def _head(self) -> str:
        return hashlib.sha1("".join(self.hub.commits).encode()).hexdigest() if self.hub.commits else COMMIT

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

    def _refused(self, repo: str, *, reading: bool) -> bool:
        """Answer with the error that a hub gives for this token and repository, if it gives one."""
        if self._token() == EXPIRED_TOKEN:
            self._error(401, "", "Invalid credentials in Authorization header")
        elif repo not in self.hub.repos:
            self._error(404 if self._token() else 401, "RepoNotFound", "Repository not found")
        elif reading and repo in self.hub.gated and not self._authorised():
            self._error(403 if self._token() else 401, "GatedRepo", f"Access to {repo} is restricted.")
        else:
            return False
        return True

    def _error(self, status: int, code: str, message: str) -> None:
        self._json(status, {"error": message}, {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {}))

    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _authorised(self) -> bool:
        return self._token() == self.hub.token

    def _api(self, repo: str, rest: list[str]) -> None:
        if self._refused(repo, reading=rest == ["auth-check"]):
            return
        if rest == ["auth-check"]:
            return self._json(200, {})
        if len(rest) > 1 and rest[1] not in ("main", self._head()):
            self._error(404, "RevisionNotFound", f"Invalid rev id: {rest[1]}")
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
            {
                "id": key,
                "modelId": key,
                "sha": self._head(),
                "private": repo in self.hub.private,
                "gated": gated,
                "tags": [],
                "siblings": names,
            },
        )

    def _entry(self, folder: Path, path: Path) -> dict[str, object]:
        oid = hashlib.sha1(path.read_bytes()).hexdigest()
        return {"type": "file", "path": path.relative_to(folder).as_posix(), "size": path.stat().st_size, "oid": oid}

    def _file(self, repo: str, name: str, body: bool) -> None:
        if self._refused(repo, reading=True):
            return
        file = self.hub.repos[repo] / name
        if not file.is_file():
            self._error(404, "EntryNotFound", "no such file")
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
        if self.hub.cuts and 0 < self.hub.cut_after < len(part):
            self.hub.cuts -= 1
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


def _objects(batch: bytes) -> list[dict[str, object]]:
    return json.loads(batch)["objects"]


def _upload_mode(folder: Path, entry: dict[str, str]) -> dict[str, object]:
    """How a file is to be uploaded, and what the repository has under its name: a blob's id, or a large file's sum."""
    large, file = entry["path"].endswith(".safetensors"), folder / entry["path"]
    oid = None
    if file.is_file():
        content = file.read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        oid = hashlib.sha256(content).hexdigest() if large else blob
    mode = "lfs" if large else "regular"
    return {"path": entry["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}


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
