"""The page and what its script asks: which engines are ready, rows to pick from, and an answer. On this machine only:
nobody else is asked but an MCP server whose address the person gives.

A page of another site must not ask on behalf of the person who looks at it: requests count only when they name this
address as their host, and a question only as JSON, which no form of another site can send unasked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fc_assets.calls.call import Tool, calls_from_json
from fc_assets.calls.prompts import messages
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import finite, json_text
from fc_assets.foundation.presentation.pages import render_page
from fc_assets.playground.answers import shown
from fc_assets.playground.engines import Lineup, Written
from fc_assets.playground.examples import read_tools
from fc_assets.playground.mcp_tools import listed_by

HOST = "127.0.0.1"
_NAMES = {HOST, "localhost"}
_MOST_CHARS = 200_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AskedServer(BaseModel):
    """The address of an MCP server whose tools are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(max_length=2000)


class AskedQuestion(BaseModel):
    """What the script sends: the column that is asked, the question, the tools as text, and what is expected, as JSON
    text, where that is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    player: str
    question: str = Field(min_length=1, max_length=_MOST_CHARS)
    tools: str = Field(max_length=_MOST_CHARS)
    expected: str | None = Field(None, max_length=_MOST_CHARS)


def build_app(lineup: Lineup, examples: Sequence[Mapping[str, Any]], report: Path | None) -> web.Application:
    """The page at `/`, its data below `/api`, and the page of the evaluation, where there is one, at `/report`."""
    templates = Path(__file__).parent / "templates"
    page = render_page(
        templates / "play.html.j2",
        script=templates / "play.js",
        asks="'self'",
        profile=lineup.profile.name,
        report=report is not None,
    )

    async def show_page(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html")

    async def show_state(_: web.Request) -> web.Response:
        return web.json_response([player.as_json() for player in lineup.players])

    async def show_examples(_: web.Request) -> web.Response:
        return web.json_response(list(examples))

    async def show_report(_: web.Request) -> web.StreamResponse:
        if report is None:
            raise web.HTTPNotFound
        return web.FileResponse(report)

    async def ask(request: web.Request) -> web.Response:
        _expect_json(request)
        try:
            asked = AskedQuestion.model_validate_json(await request.read())
            tools = read_tools(asked.tools)
            expected = None if asked.expected is None else calls_from_json(asked.expected)
        except ValidationError as error:
            return _refused(_unreadable(error), 400)
        except FcAssetsError as error:
            return _refused(str(error), 400)
        try:
            written = await asyncio.to_thread(_write, lineup, asked, tools)
        except FcAssetsError as error:
            return _refused(str(error), 502)
        answer = await asyncio.to_thread(shown, written, json_text(tools), expected)
        return web.Response(text=json_text(finite(answer)), content_type="application/json")

    async def list_mcp_tools(request: web.Request) -> web.Response:
        _expect_json(request)
        try:
            return web.json_response(await listed_by(AskedServer.model_validate_json(await request.read()).url))
        except ValidationError as error:
            return _refused(_unreadable(error), 400)
        except FcAssetsError as error:
            return _refused(str(error), 400)

    app = web.Application(middlewares=[_only_from_here], client_max_size=4 * _MOST_CHARS)
    app.router.add_get("/", show_page)
    app.router.add_get("/report", show_report)
    app.router.add_get("/api/state", show_state)
    app.router.add_get("/api/examples", show_examples)
    app.router.add_post("/api/mcp", list_mcp_tools)
    app.router.add_post("/api/ask", ask)
    return app


def _write(lineup: Lineup, asked: AskedQuestion, tools: Sequence[Tool]) -> Written:
    player = lineup.find(asked.player)
    if player is None or player.answering is None:
        name = player.label if player else asked.player
        raise FcAssetsError(f"{name} is not ready to answer; wait until its column says so")
    return player.answering.write(messages(asked.question), tools, lineup.profile.evaluation.max_tokens)


def _expect_json(request: web.Request) -> None:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="a question is sent as application/json")


def _unreadable(error: ValidationError) -> str:
    wrong = error.errors()[0]
    return f"The question cannot be read: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"


def _refused(said: str, status: int) -> web.Response:
    """400 where the question is at fault, which then no model can answer; 502 where one model is."""
    return web.json_response({"error": said}, status=status)


@web.middleware
async def _only_from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses a request whose host is another name: a site that points its own name at this address."""
    if (request.url.host or "") not in _NAMES:
        raise web.HTTPForbidden(text=f"the playground answers at {HOST} only")
    response = await handler(request)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Cache-Control"] = "no-store"
    return response
