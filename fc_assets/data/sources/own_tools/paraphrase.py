"""Questions in other words, by a model behind any OpenAI-compatible endpoint, each kept by its digest.

The same question is asked once and then read from its file, so that rows made again are the same rows. A paraphrase
that loses a value of the expected calls is dropped with the row, and counted. Which rows are asked for is `rows`.
"""

from __future__ import annotations

import hashlib
import json
import os
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.tools.untrusted import without_marks
from fc_assets.data.sources.own_tools.wording import text_of
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import ParaphraseSettings

KEY_VARIABLE = "FC_PARAPHRASE_KEY"
"""Holds the endpoint's key, if it wants one."""
_ASKS = (
    "Say the following request in other words, as another person would, in the same language. Keep every name, number, "
    "code and value exactly as it is written. Answer with the request alone.\n\n"
)
_MAX_TOKENS = 300
_MAX_ANSWER_BYTES = 1 << 20
_MOST_FAILURES = 3
"""In a row; then the endpoint is down."""
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # an address was given on purpose


class Paraphraser:
    """Asks the endpoint that `settings` name, and keeps its answers in `folder`. `counts` says how that went."""

    def __init__(self, settings: ParaphraseSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._failures = 0
        self.counts = {"asked": 0, "kept from before": 0, "lost a value": 0, "no answer": 0}

    @property
    def share(self) -> float:
        """Share of the questions to say in other words, as long as more may be. Kept ones count: so made again, the
        same questions are."""
        said = self.counts["asked"] + self.counts["kept from before"]
        return self._settings.share if said < self._settings.most else 0.0

    def __call__(self, question: str, calls: Sequence[Call]) -> str | None:
        """The question in other words; None where a value was lost or no answer came, which is counted.

        Raises `FcAssetsError` when the endpoint fails several times in a row.
        """
        text = self._answer(question)
        if text is None:
            return None
        if not text or any(value.casefold() not in text.casefold() for value in _values(calls)):
            self.counts["lost a value"] += 1
            return None
        return text

    def _answer(self, question: str) -> str | None:
        key = json.dumps([self._settings.model, _ASKS, question])
        file = self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.txt"
        if file.is_file():
            self.counts["kept from before"] += 1
            return file.read_text(encoding="utf-8")
        self.counts["asked"] += 1
        try:
            text = _bounded(self._post(question), question)
        except (OSError, ValueError, LookupError, TypeError) as error:
            self._failed(error)
            return None
        self._failures = 0
        self._folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(file)  # a kill leaves no half of an answer for the next run
        return text

    def _failed(self, error: Exception) -> None:
        self.counts["no answer"] += 1
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            raise FcAssetsError(
                f"The endpoint for paraphrases, {self._settings.api_url}, failed {self._failures} times in a row "
                f"({error}); mend it, or empty data.own_tools.paraphrase.api_url"
            ) from error

    def _post(self, question: str) -> Any:
        body = {
            "model": self._settings.model,
            "messages": [{"role": "user", "content": _ASKS + question}],
            "temperature": 0.0,
            "max_tokens": _MAX_TOKENS,
        }
        address = f"{self._settings.api_url.rstrip('/').removesuffix('/v1')}/v1/chat/completions"
        request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
        if key := os.environ.get(KEY_VARIABLE):
            request.add_header("Authorization", f"Bearer {key}")
        with _OPENER.open(request, timeout=self._settings.timeout_s) as answer:
            return json.loads(answer.read(_MAX_ANSWER_BYTES))


def _bounded(answer: Any, question: str) -> str:
    """The text of an answer, on one line; empty where it is too long to be a paraphrase of `question`."""
    text = answer["choices"][0]["message"]["content"]
    if not isinstance(text, str):
        raise ValueError("the answer holds no text")
    text = " ".join(without_marks(text.encode("utf-8", "replace").decode()).split())
    return text if len(text) <= 3 * len(question) + 100 else ""


def _values(calls: Sequence[Call]) -> Iterator[str]:
    """The values that a question states, as it states them; yes and no may be said otherwise."""
    waiting: list[Any] = [call.arguments for call in calls]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
        elif not isinstance(value, bool) and value is not None:
            yield text_of(value)
