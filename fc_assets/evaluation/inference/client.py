"""An asynchronous client that asks many questions of one OpenAI-compatible server.

Bounded, patient with a bad server, and honest about it: an answer is kept the moment it arrives, a question that no
retry could get answered is counted as a failure of the infrastructure, and too many of those end the step. What the
answers are worth is not decided here; load tests have a client of their own.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import aiohttp

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import FAILED, TOO_LONG, Answer, AnswerLog, Question, RequestSettings, ShowProgress
from fc_assets.serving.bounded_http import json_object
from fc_assets.serving.chat import chat_request, conversation

if TYPE_CHECKING:
    from fc_assets.serving.endpoint import Endpoint

KEEP_ALIVE_S = 3.0
"""vLLM closes idle connections after 5 s; a client that keeps them longer writes into a closed socket."""

MAX_WAIT_S = 30.0
MAX_BODY_BYTES = 16_000_000
"""Of one response; 200,000 characters of an answer are judged. A server that sends more is not read to its end."""
MAX_TOKENS_COUNTED = 2**31 - 1
PROGRESS_EVERY_S = 5.0
WATCH_EVERY_S = 1.0
"""Seconds between two looks at the server's process."""
_MAX_REASON = 100  # characters kept of a server's word for how an answer ended


class ServerFailingError(FcAssetsError):
    """The server has ended, or more questions stayed without an answer than the settings allow."""


class _RetryableError(Exception):
    """The server may do better next time; `wait_s` is what it asked for."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _RefusedError(Exception):
    """The server will not answer this question however often it is asked."""


def ask(
    endpoint: Endpoint,
    questions: Sequence[Question],
    settings: RequestSettings,
    log: AnswerLog,
    show_progress: ShowProgress,
) -> list[Answer]:
    """Ask every question that is not in `log` yet; return one answer for each question, in order.

    Retries 429, 5xx, time-outs, broken connections and unreadable bodies with doubling waits. Raises
    `ServerFailingError` as soon as more than `settings.max_failed_share` of the questions failed; the answers that had
    arrived are in the log, so the next attempt asks only the rest. A prompt that leaves less room in the model than
    `settings.max_tokens` is asked with the room that it leaves, where the server can count tokens (`/tokenize`).
    """
    return asyncio.run(_Session(endpoint, questions, settings, log, show_progress).run())


def request_body(model: str, question: Question, settings: RequestSettings) -> dict[str, Any]:
    """The body of one chat completion, or of a plain one where the question brings its own prompt.

    Free decoding asks for the model's raw text, constrained decoding for calls that satisfy the tools' schemas.
    """
    if question.prompt:
        return {
            "model": model,
            "temperature": 0.0,
            "seed": settings.seed,
            "max_tokens": settings.max_tokens,
            "prompt": question.prompt,
        }
    constrained = settings.decode == "constrained"
    body = chat_request(
        model,
        question.messages,
        question.tools,
        max_tokens=settings.max_tokens,
        tool_choice="required" if constrained else "none",
        strict=constrained,
    )
    return {**body, "seed": settings.seed}


class _Session:
    """One call of `ask`."""

    def __init__(
        self,
        endpoint: Endpoint,
        questions: Sequence[Question],
        settings: RequestSettings,
        log: AnswerLog,
        show_progress: ShowProgress,
    ) -> None:
        self.endpoint = endpoint
        self.questions = questions
        self.settings = settings
        self.log = log
        self.show_progress = show_progress
        self.failures: dict[str, Answer] = {}
        self.allowed = math.floor(settings.max_failed_share * len(questions))
        self.jitter = random.Random(settings.seed)

    async def run(self) -> list[Answer]:
        todo = [question for question in self.questions if question.id not in self.log.finished]
        if len(todo) < len(self.questions):
            self.show_progress(
                f"resuming: {len(self.questions) - len(todo)} of {len(self.questions)} rows are answered already"
            )
        waiting = iter(todo)
        connector = aiohttp.TCPConnector(limit=self.settings.concurrency, keepalive_timeout=KEEP_ALIVE_S)
        timeout = aiohttp.ClientTimeout(total=self.settings.timeout_s)
        headers = self.endpoint.headers
        ticker = asyncio.create_task(self._report_progress(len(todo)))
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as http,
                asyncio.TaskGroup() as group,
            ):
                workers = [group.create_task(self._work(http, waiting)) for _ in range(self.settings.concurrency)]
                watching = group.create_task(self._watch_server())
                await asyncio.wait(workers)
                watching.cancel()
        except BaseExceptionGroup as failing:
            raise failing.exceptions[0] from None  # the first is the cause; the group then cancelled the rest
        finally:
            ticker.cancel()
        return [self.failures.get(question.id) or self.log.finished[question.id] for question in self.questions]

    async def _watch_server(self) -> None:
        """Raise once the server's process has ended: requests to what it left behind would wait out every time-out."""
        while not (said := self.endpoint.ended()):
            await asyncio.sleep(WATCH_EVERY_S)
        raise ServerFailingError(
            f"{said}. The {len(self.log.finished)} answers that had arrived are kept: materialise again to ask the rest"
        )

    async def _work(self, http: aiohttp.ClientSession, waiting: Iterator[Question]) -> None:
        for question in waiting:
            answer = await self._answer(http, question)
            if not answer.failed:
                self.log.add(answer)
                continue
            self.failures[question.id] = answer
            if len(self.failures) > self.allowed:
                raise ServerFailingError(
                    f"{len(self.failures)} of {len(self.questions)} questions stayed without an answer, "
                    f"{self.allowed} are allowed (max_failed_share); the last reason: {answer.error}. The "
                    f"{len(self.log.finished)} answers that had arrived are kept: materialise again to ask the rest. "
                    f"The server is {self.endpoint.base_url}, its log {self.endpoint.info.log or 'not ours'}"
                )

    async def _answer(self, http: aiohttp.ClientSession, question: Question) -> Answer:
        """The answer after as many attempts as it takes; a failed one when they are used up."""
        body = request_body(self.endpoint.model, question, self.settings)
        url = f"{self.endpoint.base_url}/v1/{'' if question.prompt else 'chat/'}completions"
        attempt = 0
        while True:
            try:
                answer = await self._request(http, url, question.id, body)
                if answer.finish_reason == TOO_LONG and (room := await self._room(http, question)) < body["max_tokens"]:
                    answer = (
                        await self._request(http, url, question.id, {**body, "max_tokens": room}) if room else answer
                    )
                return answer
            except _RefusedError as error:
                return _no_answer(question.id, str(error))
            except _RetryableError as error:
                if attempt == self.settings.retries:
                    return _no_answer(question.id, f"{error} (after {attempt + 1} attempts)")
                wait_s = min(MAX_WAIT_S, max(self.settings.first_wait_s * 2**attempt, error.wait_s))
            # The jitter keeps all workers from coming back in the same instant.
            await asyncio.sleep(wait_s * self.jitter.uniform(0.75, 1.25))
            attempt += 1

    async def _request(self, http: aiohttp.ClientSession, url: str, row: str, body: dict[str, Any]) -> Answer:
        started = time.perf_counter()
        try:
            async with http.post(url, json=body) as response:
                raw = await _bounded_body(response)
                status, retry_after = response.status, response.headers.get("Retry-After", "")
        except TimeoutError:
            raise _RetryableError(f"no answer within {self.settings.timeout_s:g} s") from None
        except aiohttp.ClientError as error:
            raise _RetryableError(f"{type(error).__name__}: {error}") from None
        latency_s = time.perf_counter() - started
        if status == 200:
            return _read_completion(row, raw, latency_s)
        reason = f"HTTP {status}: {_message(raw)}"
        if status == 429 or status >= 500:
            raise _RetryableError(reason, _seconds(retry_after))
        if status == 400 and _is_too_long(raw):
            return Answer(row, "", TOO_LONG, latency_s, None, None, _message(raw))
        raise _RefusedError(reason)

    async def _room(self, http: aiohttp.ClientSession, question: Question) -> int:
        """How many tokens the model has left for an answer to this question; 0 where none are, or nobody can say."""
        asked = {"prompt": question.prompt} if question.prompt else conversation(question.messages, question.tools)
        try:
            async with http.post(
                f"{self.endpoint.base_url}/tokenize", json={"model": self.endpoint.model, **asked}
            ) as response:
                if response.status >= 500:
                    raise _RetryableError(f"HTTP {response.status} from /tokenize")
                counted = json_object(await _bounded_body(response)) if response.status == 200 else {}
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise _RetryableError(f"/tokenize: {type(error).__name__}: {error}") from None
        return max(0, (_count(counted.get("max_model_len")) or 0) - (_count(counted.get("count")) or 0))

    async def _report_progress(self, total: int) -> None:
        started, before = time.monotonic(), len(self.log.finished)
        while True:
            await asyncio.sleep(PROGRESS_EVERY_S)
            done = len(self.log.finished) - before + len(self.failures)
            rate = done / (time.monotonic() - started)
            left = f"{(total - done) / rate:.0f} s left" if rate else "waiting for the first answer"
            failed = f", {len(self.failures)} without an answer" if self.failures else ""
            self.show_progress(f"{done}/{total} rows asked, {rate:.1f} rows/s, {left}{failed}")


def _no_answer(row: str, reason: str) -> Answer:
    return Answer(row, "", FAILED, 0.0, None, None, reason)


async def _bounded_body(response: aiohttp.ClientResponse) -> bytes:
    """The body, decompressed; raises `_RetryableError` past `MAX_BODY_BYTES`."""
    parts, size = [], 0
    async for part in response.content.iter_chunked(1 << 16):
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _RetryableError(f"the body is longer than {MAX_BODY_BYTES} bytes")
    return b"".join(parts)


def _seconds(retry_after: str) -> float:
    """The wait that a server asks for in plain seconds; 0 where it says a date or nothing that is a number."""
    return float(retry_after[:6]) if retry_after.isascii() and retry_after.isdigit() else 0.0


def _count(value: object) -> int | None:
    """A number of tokens as a server may tell it; None for what is none."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS_COUNTED:
        return value
    return None


def _read_completion(row: str, raw: bytes, latency_s: float) -> Answer:
    """The answer in a response body; raises `_RetryableError` when it is none."""
    try:
        body = json.loads(raw)
        choice = body["choices"][0]
        text = choice["text"] if "text" in choice else _message_text(choice["message"])
        usage = body.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        if not isinstance(text, str):
            raise TypeError("the content is not text")
        return Answer(
            id=row,
            text=text,
            finish_reason=str(choice["finish_reason"])[:_MAX_REASON],
            latency_s=latency_s,
            prompt_tokens=_count(counts.get("prompt_tokens")),
            completion_tokens=_count(counts.get("completion_tokens")),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        shown = raw[:120].decode("utf-8", "replace")
        raise _RetryableError(f"the body is no completion ({error!r}): {shown!r}") from None


def _message_text(message: dict[str, Any]) -> str:
    """The raw text of a chat message; calls that the server has parsed are written out again."""
    return "\n".join(map(_call_text, message.get("tool_calls") or ())) or message["content"] or ""


def _call_text(call: dict[str, Any]) -> str:
    """A call that the server has parsed, as the model would have written it; cut arguments stay cut."""
    function = call["function"]
    body = f'{{"name": {json.dumps(function["name"])}, "arguments": {function["arguments"]}}}'
    return f"<tool_call>\n{body}\n</tool_call>"


def _error_of(raw: bytes) -> dict[str, Any]:
    try:
        error = json.loads(raw)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _message(raw: bytes) -> str:
    """What the server said, at most 300 characters."""
    return str(_error_of(raw).get("message") or raw.decode("utf-8", "replace"))[:300]


def _is_too_long(raw: bytes) -> bool:
    error = _error_of(raw)
    message = str(error.get("message"))
    # OpenAI names it by code, vLLM only in words (vllm/renderers/params.py, v1/engine/input_processor.py).
    words = ("maximum context length", "maximum model length", "Please request fewer output tokens")
    in_words = any(each in message for each in words)
    return error.get("code") == "context_length_exceeded" or in_words
