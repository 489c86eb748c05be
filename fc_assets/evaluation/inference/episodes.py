"""The evaluation's episodes, asked of one model, and what is kept when a step is killed.

Which they are, and how one is played, is `episode_play`.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence

from fc_assets.data.sources.episodes import Episode
from fc_assets.evaluation.answers import Answer, Question, RequestSettings, resume_identity
from fc_assets.evaluation.inference.engines import Engine
from fc_assets.evaluation.inference.episode_play import Play, episodes_digest, play
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.child_processes.jobs import Log


@contextlib.contextmanager
def resumable_plays(
    asset: str,
    engine: Engine,
    episodes: Sequence[Episode],
    asking: RequestSettings,
    most_answers: int,
    store: ArtifactStore,
    log: Log,
) -> Iterator[list[Play]]:
    """The plays; answers of an interrupted attempt are not asked again.

    Publish them within the block: their log is removed when it is left without an error.
    """
    model = str(engine.info["model_digest"] or engine.info["claim"])
    identity = {
        **resume_identity(model, (), asking, engine.identity),
        "episodes": episodes_digest(episodes),
        "most_answers": most_answers,
    }
    folder = store.resume_folder(f"{asset}-episodes", identity)

    def ask(questions: Sequence[Question]) -> list[Answer]:
        return engine.ask(questions, asking, folder, log.info)

    plays = play(episodes, ask, most_answers)
    if plays:
        log.info(f"{len(plays)} episodes played, {sum(len(each.replies) for each in plays)} answers")
    yield plays
    shutil.rmtree(folder)
