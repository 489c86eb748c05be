"""BFCL's conversations with one model: the official loop and tools in a process of their own, the engine here.

`player` plays them in the checker's environment and says what it wants to ask next; all that wait are asked at once,
and each answer is kept in the step's answer log, so that an interrupted step asks only the rest: the same answers lead
the official loop to the same requests. What a conversation is worth is judged by `scores`.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from fc_assets.calls.call import Call
from fc_assets.calls.parse import parse_strict
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import CUT, FAILED, TOO_LONG, Answer, Question, RequestSettings, ShowProgress
from fc_assets.evaluation.bfcl import player
from fc_assets.evaluation.bfcl.model import MEMORY, OFFICIAL, BfclAttempt, BfclRow
from fc_assets.evaluation.bfcl.scores import as_tool, result_text
from fc_assets.evaluation.inference.engines import Engine
from fc_assets.foundation.child_processes import processes

PLAYER_TIMEOUT_S = 600.0
"""How long the official tools may take for what one round of answers asks of them."""

_START_TIMEOUT_S = 60.0
_PREPARING = "_prereq_"
"""Stands in the ids of the conversations that fill a memory; they are played and not judged."""


def play(
    rows: Sequence[BfclRow],
    mode: str,
    engine: Engine,
    asking: RequestSettings,
    *,
    python: Path,
    folder: Path,
    scratch: Path,
    log: Path,
    show_progress: ShowProgress,
) -> tuple[list[BfclAttempt], list[Answer]]:
    """One attempt for each row, and every answer that was given for them.

    `folder` holds the answer log. A conversation ends before its time where a prompt does not fit the model, where an
    answer is cut, and where no answer comes; such an end is its `finish_reason`. Raises FcAssetsError when the player
    fails.
    """
    if not rows:
        return [], []
    ids = scratch / "conversations.json"
    ids.write_text(json.dumps([row.id for row in rows]), encoding="utf-8")
    without_limit = replace(asking, max_failed_share=1.0)  # judged over all rows, and not over one round of requests
    notes = _Notes()
    with _player(python, mode, ids, scratch, log) as stream:
        for message in _messages(stream, log):
            notes.results |= message["results"]
            requests = message["requests"]
            if not requests:
                break
            answers = engine.ask([_question(each, mode) for each in requests], without_limit, folder, show_progress)
            notes.rounds += 1
            texts = {
                request["id"]: notes.text_for(request["episode"], answer, mode)
                for request, answer in zip(requests, answers, strict=True)
            }
            stream.write(json.dumps({"answers": texts}, ensure_ascii=False) + "\n")
            stream.flush()
    show_progress(f"{len(rows)} conversations played in {notes.rounds} rounds, {len(notes.answers)} answers")
    return [notes.attempt(row) for row in rows], notes.answers


class _Notes:
    """What is known of the conversations while they are played."""

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}
        self.answers: list[Answer] = []
        self.rounds = 0
        self.texts: dict[str, list[str]] = {}
        self.endings: dict[str, str] = {}
        self.malformed: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.unprepared: set[tuple[str, str]] = set()

    def text_for(self, episode: str, answer: Answer, mode: str) -> str | None:
        """What the player is told: the text, or None where the conversation ends with this answer."""
        self.answers.append(answer)
        self.texts.setdefault(episode, []).append(answer.text)
        parsed = parse_strict(answer.text)
        self.malformed[episode] += parsed.malformed
        self.calls[episode] += len(parsed.calls)
        preparing = _PREPARING in episode
        if answer.failed and preparing:
            self.unprepared.add(_memory(episode))
        if answer.failed or answer.finish_reason == TOO_LONG or (answer.finish_reason == CUT and not preparing):
            self.endings[episode] = answer.finish_reason
            return None
        return answer.text if mode == OFFICIAL else result_text(answer.text)

    def attempt(self, row: BfclRow) -> BfclAttempt:
        """How a conversation went. One about a memory that could not be filled has no answer either."""
        unprepared = row.category in MEMORY and _memory(row.id) in self.unprepared
        ending = FAILED if unprepared else self.endings.get(row.id, "stop")
        return BfclAttempt(
            row=row,
            result=self.results.get(row.id) or [],
            text=json.dumps(self.texts.get(row.id, []), ensure_ascii=False),
            finish_reason=ending,
            malformed=self.malformed[row.id],
            calls=self.calls[row.id],
        )


def _memory(episode: str) -> tuple[str, str]:
    """Which memory a conversation fills or is about: its category and its scenario, `memory_kv_0-customer-0`."""
    name, scenario, _ = episode.replace(_PREPARING, "_").split("-")
    return name.rpartition("_")[0], scenario


def _question(request: Mapping[str, Any], mode: str) -> Question:
    name = f"{mode}:{request['id']}"
    if mode == OFFICIAL:
        return Question(name, prompt=request["prompt"])
    return Question(name, chat_messages(request["messages"]), [as_tool(each) for each in request["functions"]])


def chat_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The official handler's messages as an OpenAI-compatible server takes them: calls with ids, results with theirs.

    A call that the server could not render, since it has no name or no arguments, is left out of its message.
    """
    found: list[dict[str, Any]] = []
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            extra = {"tool_call_id": waiting.pop(0)} if waiting else {}
            found.append({"role": "tool", "content": message["content"], **extra})
        elif calls := [call for call in message.get("tool_calls", ()) if _renders(call)]:
            names = [f"call-{len(found)}-{place}" for place in range(len(calls))]
            waiting = list(names)
            written = [
                Call(call["name"], call["arguments"]).as_tool_call(name)
                for name, call in zip(names, calls, strict=True)
            ]
            found.append({"role": "assistant", "content": message["content"], "tool_calls": written})
        else:
            found.append({"role": message["role"], "content": message["content"]})
    return found


def _renders(call: object) -> bool:
    return isinstance(call, dict) and isinstance(call.get("name"), str) and isinstance(call.get("arguments"), dict)


@contextlib.contextmanager
def _player(python: Path, mode: str, ids: Path, scratch: Path, log: Path) -> Iterator[TextIO]:
    """The player, and the stream to it. It dies with this block, and with this process."""
    with processes.temporary_folder("bfcl") as folder, socket.socket(socket.AF_UNIX) as server:
        address = f"{folder}/player"  # a socket's path may have some 100 characters only
        server.bind(address)
        server.listen(1)
        server.settimeout(1.0)
        memory = scratch / f"player-{mode}"
        memory.mkdir(parents=True, exist_ok=True)
        argv = [str(python), player.__file__, "--socket", address, "--mode", mode]
        argv += ["--ids", str(ids), "--folder", str(memory)]
        with processes.running("BFCL player", argv, log=log) as child:
            connection = _accept(server, child)
            connection.settimeout(PLAYER_TIMEOUT_S)
            with connection, connection.makefile("rw", encoding="utf-8", newline="\n") as stream:
                yield stream


def _accept(server: socket.socket, child: processes.Child) -> socket.socket:
    for _ in range(int(_START_TIMEOUT_S)):
        with contextlib.suppress(TimeoutError):
            return server.accept()[0]
        if child.returncode is not None:
            break
    raise FcAssetsError(f"The BFCL player did not start; its log {child.log} ends:\n{child.log_tail()}")


def _messages(stream: TextIO, log: Path) -> Iterator[dict[str, Any]]:
    while True:
        try:
            line = stream.readline()
        except TimeoutError:
            line = ""
        if not line:
            raise FcAssetsError(
                f"The BFCL player ended, or took more than {PLAYER_TIMEOUT_S:.0f} s for one round; its log is {log}"
            )
        yield json.loads(line)
