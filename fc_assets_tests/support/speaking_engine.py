"""An engine whose words are known, for BFCL's questions and conversations."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fc_assets.evaluation.answers import Answer, Question, RequestSettings, answer_log


@dataclass
class SpeakingEngine:
    """Says what `words` has for the n-th request of a conversation, and how that ended; keeps the answers in a log.

    A single question is its own first request.
    """

    words: Callable[[str, int], tuple[str, str]]
    asked: Counter[str] = field(default_factory=Counter)
    budgets: dict[str, int] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    info: Mapping[str, Any] = field(default_factory=lambda: {"model_digest": "d", "claim": ""})
    identity: Mapping[str, Any] = field(default_factory=dict)
    server_start_s: float | None = None

    def ask(
        self, questions: Sequence[Question], settings: RequestSettings, folder: Path, show_progress: object
    ) -> list[Answer]:
        found = []
        with answer_log(folder) as log:
            for question in questions:
                self.questions.append(question)
                self.budgets[question.id.partition(":")[0]] = settings.max_tokens
                if question.id not in log.finished:
                    self.asked[question.id] += 1
                    episode, _, number = question.id.partition(":")[2].partition("/")
                    answer = Answer(question.id, *self.words(episode, int(number or 0)), 0.1, 1, 1)
                    if answer.failed:
                        found.append(answer)
                        continue
                    log.add(answer)
                found.append(log.finished[question.id])
        return found
