"""A home with the models of the demo's graph, a split, and an external server that answers for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.names import BASE_MODEL, EVAL_REPORT, GRPO_POLICY, MERGED_MODEL, REPORT_HTML, SHAREGPT_VAL
from fc_assets.profiles import Profile, load_profile
from fc_assets_tests.support.evaluation_world import KnowingServer, write_model, write_split
from fc_assets_tests.support.graph import ROOT
from fc_assets_tests.support.web_server import serving

HOSTILE = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'>"


def publish(store: ArtifactStore, asset: str, fill: Callable[[Path], object]) -> None:
    """An artefact of `asset` that `fill` wrote."""
    with store.workspace(asset) as folder:
        (folder / "out").mkdir()
        fill(folder / "out")
        store.publish(asset, folder / "out")


class EchoingServer(KnowingServer):
    """A server that also says hostile questions back, as text and within a call."""

    async def chat(self, request: web.Request) -> web.Response:
        query = (await request.json())["messages"][-1]["content"]
        if HOSTILE not in query:
            return await super().chat(request)
        call = json.dumps({"name": "lift", "arguments": {"n": HOSTILE.replace("</script>", "")}})
        text = f"{query}\n<tool_call>\n{call}\n</tool_call>"
        message = {"message": {"content": text}, "finish_reason": "stop"}
        return web.json_response({"choices": [message], "usage": {"prompt_tokens": 9, "completion_tokens": 5}})


PLAY = "import sys; from fc_assets.cli import main; sys.exit(main(['play', '--port', '0']))"


@contextmanager
def playing(home: Path, program: str = "", profile: str = "demo") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process and session of its own, `program` before it, once it has said where it is."""
    env = {**os.environ, "FC_ASSETS_HOME": str(home), "FC_PROFILE": profile, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", program + PLAY],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert url, process.communicate(timeout=10)
        yield process, url[0]
    finally:
        process.kill()
        process.communicate()


def fill_home(home: Path) -> ArtifactStore:
    """What the demo makes but for the GGUF files."""
    store = ArtifactStore(home)
    for asset in (BASE_MODEL, MERGED_MODEL, GRPO_POLICY):
        publish(store, asset, write_model(asset, None))
    publish(store, SHAREGPT_VAL, write_split())
    publish(store, EVAL_REPORT, lambda out: (out / REPORT_HTML).write_text("<p>all rows</p>"))
    return store


@contextmanager
def answering_for(store: ArtifactStore, folder: Path) -> Iterator[Path]:
    """An external server of the store's models; yields the file, in `folder`, of a profile that names it."""
    known = EchoingServer(store.home)
    with serving(POST={"/v1/chat/completions": known.chat}, GET={"/v1/models": known.models}) as url:
        file = folder / "mine.yaml"
        file.write_text(f"extends: demo\ndescription: of a test\nserver: {{api_url: '{url}'}}\n")
        yield file


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return fill_home(tmp_path / "home")


@pytest.fixture
def profile_file(store: ArtifactStore, tmp_path: Path) -> Iterator[Path]:
    with answering_for(store, tmp_path) as file:
        yield file


@pytest.fixture
def profile(profile_file: Path) -> Profile:
    return load_profile(str(profile_file))
