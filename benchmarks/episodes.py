"""What playing episodes costs beside the model: `python -m benchmarks.episodes`.

`overhead_ms_per_turn` is the CPU time of this process for one answer of an episode: writing the request, asking a null
server that answers at once, reading the answer, running its calls, the answer log. `world_ms_per_turn` is the same
without the network. Best of three rounds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks._null_server import null_server
from benchmarks._results import write_result
from fc_assets.data.sources.episodes import first_episodes
from fc_assets.evaluation.answers import Answer, Question, RequestSettings, answer_log
from fc_assets.evaluation.inference.client import ask
from fc_assets.evaluation.inference.episode_play import AskRound, play
from fc_assets.serving.endpoint import Endpoint

EPISODES = 200
MOST_ANSWERS = 4
ROUNDS = 3
SEED = 42
ASKING = RequestSettings(max_tokens=512, concurrency=32, timeout_s=60, retries=0, max_failed_share=0.0, seed=SEED)
_CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
"""Every answer is a call, so that each episode takes as many answers as it may."""


def ms_per_turn(asked_by: AskRound) -> float:
    """CPU milliseconds for each answer; what the server sent is replaced by a call."""
    turns = 0

    def ask_round(questions: Sequence[Question]) -> list[Answer]:
        nonlocal turns
        turns += len(questions)
        return [Answer(each.id, _CALL, "stop", 0.0, None, None) for each in asked_by(questions)]

    episodes = first_episodes(EPISODES, SEED, 0.5)
    started = time.process_time()
    play(episodes, ask_round, MOST_ANSWERS)
    return 1000 * (time.process_time() - started) / turns


def _served(url: str) -> float:
    endpoint = Endpoint(url, "null", "")

    def ask_server(questions: Sequence[Question]) -> list[Answer]:
        with answer_log(Path(folder)) as log:
            return ask(endpoint, questions, ASKING, log, lambda _: None)

    with tempfile.TemporaryDirectory() as folder:
        return ms_per_turn(ask_server)


def _at_once(questions: Sequence[Question]) -> list[Answer]:
    return [Answer(each.id, "", "stop", 0.0, None, None) for each in questions]


def main() -> None:
    """Measure, and write the figures."""
    with null_server(48, "--whole") as url:
        served = min(_served(url) for _ in range(ROUNDS))
    figures = {
        "episodes": float(EPISODES),
        "overhead_ms_per_turn": round(served, 3),
        "world_ms_per_turn": round(min(ms_per_turn(_at_once) for _ in range(ROUNDS)), 3),
    }
    print(write_result("episodes", figures, ("aiohttp",)))
    print(figures)


if __name__ == "__main__":
    main()
