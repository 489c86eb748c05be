"""A server that speaks enough of the hub's protocol for `datasets` to download one data set, and that can misbehave."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

SHA = "a" * 40
TOKEN = "hf_of_a_person_who_accepted_the_terms"


@dataclass
class StandInHub:
    """One data set `repo` with one `file`. `cut_after` breaks that many bytes into a download, `cuts` times."""

    repo: str
    file: str
    content: bytes
    gated: bool = False
    cut_after: int = 0
    cuts: int = 0
    url: str = ""
    log: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.log.append(f"{request.method} {request.path} {request.headers.get('Range', '')}".strip())
        parts = request.path.strip("/").split("/")
        if parts[:2] == ["api", "datasets"]:
            return self._api("/".join(parts[2:4]), parts[4:], request)
        if parts[0] == "datasets" and parts[3:4] == ["resolve"]:
            return await self._file("/".join(parts[1:3]), "/".join(parts[5:]), request)
        return self._error(404, "", "no such path")

    def _error(self, status: int, code: str, message: str) -> web.Response:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        return web.json_response({"error": message}, status=status, headers=headers)

    def _refused(self, repo: str, request: web.Request, *, reading: bool) -> web.Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token == "hf_expired":
            return self._error(401, "", "Invalid credentials in Authorization header")
        if repo != self.repo:
            return self._error(404 if token else 401, "RepoNotFound", "Repository not found")
        if reading and self.gated and token != TOKEN:
            return self._error(403 if token else 401, "GatedRepo", f"Access to dataset {repo} is restricted.")
        return None

    def _api(self, repo: str, rest: list[str], request: web.Request) -> web.StreamResponse:
        refused = self._refused(repo, request, reading=False)
        if refused is not None:
            return refused
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in ("main", SHA):
            return self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        entry = {"type": "file", "path": self.file, "size": len(self.content), "oid": SHA}
        match rest[:1]:
            case [] | ["revision"]:
                return web.json_response(
                    {
                        "id": self.repo,
                        "sha": SHA,
                        "private": False,
                        "gated": "auto" if self.gated else False,
                        "disabled": False,
                        "downloads": 0,
                        "likes": 0,
                        "tags": [],
                        "siblings": [{"rfilename": self.file}],
                    }
                )
            case ["tree"]:
                return web.json_response([entry] if len(rest) == 2 else [])
            case ["paths-info"]:
                return web.json_response([entry])
        return self._error(404, "EntryNotFound", "no such path")

    async def _file(self, repo: str, file: str, request: web.Request) -> web.StreamResponse:
        refused = self._refused(repo, request, reading=True)
        if refused is not None:
            return refused
        if file != self.file:
            return self._error(404, "EntryNotFound", "Entry not found")
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        headers = {
            "ETag": f'"{hashlib.sha256(self.content).hexdigest()}"',
            "X-Repo-Commit": SHA,
            "Accept-Ranges": "bytes",
            "Content-Length": str(len(self.content) - start),
        }
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        if self.cuts:
            self.cuts -= 1
            await response.write(self.content[start : start + self.cut_after])
            await asyncio.sleep(0.05)
            request.transport.abort()
            return response
        await response.write(self.content[start:])
        return response


@contextmanager
def serving(hub: StandInHub) -> Iterator[StandInHub]:
    """Serve `hub` on a free port of 127.0.0.1, in a thread, and set its `url`."""
    loop = asyncio.new_event_loop()
    started = threading.Event()
    runner: list[web.AppRunner] = []

    async def start() -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", hub.handle)
        runner.append(web.AppRunner(application))
        await runner[0].setup()
        site = web.TCPSite(runner[0], "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        hub.url = f"http://127.0.0.1:{port}"
        started.set()

    def work() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner[0].cleanup())
        loop.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield hub
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
