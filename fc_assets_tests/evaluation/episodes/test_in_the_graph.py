"""Episodes played over HTTP by the steps of the graph: resumed after a failure, and compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.episodes.comparison import compare_episodes
from fc_assets.evaluation.inference.episode_play import evaluation_episodes
from fc_assets_tests.support.episodes import knowing
from fc_assets_tests.support.evaluation_world import KnowingServer, World, failures, fast
from fc_assets_tests.support.web_server import serving


class PlayingServer(KnowingServer):
    """Knows the episodes by heart, but for the models in `lost`; other questions are answered as ever."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.lost: set[str] = {"base"}
        self.turns = 0
        self.turns_left = 10**9

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        opening = next(message["content"] for message in body["messages"] if message["role"] == "user")
        if opening.startswith(("Please lift", "Sing")):
            return await super().chat(request)
        if self.turns_left <= 0:
            return web.json_response({"error": {"message": "the card is gone"}}, status=500)
        self.turns, self.turns_left = self.turns + 1, self.turns_left - 1
        text = "Done." if body["model"].partition("-")[0] in self.lost else self.model(body["messages"])
        return web.json_response({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})


@pytest.fixture
def played(tmp_path: Path) -> Iterator[tuple[PlayingServer, World]]:
    known = PlayingServer(tmp_path)
    with serving(POST={"/v1/chat/completions": known.chat}, GET={"/v1/models": known.models}) as url:
        settings = fast(url)
        settings["evaluation"]["episodes"] = 6
        world = World(tmp_path, settings)
        known.model = knowing(evaluation_episodes(world.profile.evaluation))
        yield known, world


def test_an_interrupted_attempt_asks_nothing_twice_and_plays_are_compared(
    played: tuple[PlayingServer, World],
) -> None:
    server, world = played
    episodes = evaluation_episodes(world.profile.evaluation)
    owed = sum(len(exchange.answers) + 1 if exchange.answers else 1 for each in episodes for exchange in each.exchanges)
    server.turns_left = 9
    assert "stayed without an answer" in failures(world.materialise(["predictions/sft"]))
    server.turns_left = 10**9
    results = [world.materialise(["predictions/sft"])]
    assert server.turns == owed
    results.append(world.materialise(["predictions/base"]))
    artifacts = {
        event.asset_key.path[-1]: result.output_for_node(f"evaluate_{event.asset_key.path[-1]}", "predictions")
        for result in results
        for event in result.get_asset_materialization_events()
    }
    report = compare_episodes({name: artifacts[name] for name in ("base", "sft")}, world.profile.evaluation)
    assert report is not None
    assert [each.metrics["success"].value for each in report.variants.values()] == [0.0, 1.0]
    assert report.tests[0].only_second == len(episodes)
    other = world.profile.evaluation.model_copy(update={"episodes": 5})
    with pytest.raises(FcAssetsError, match="plays of other episodes"):
        compare_episodes(artifacts, other)
