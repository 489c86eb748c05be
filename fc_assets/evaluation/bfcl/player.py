"""The leaderboard's own conversations, played by its own loop and tools; the model's words come over a socket.

    PYTHON player.py --socket PATH --mode chat_template|official --ids IDS.json --folder FOLDER

PYTHON holds `requirements/bfcl.txt`, as that of `checker`, beside which this script lies and runs. Every conversation
is the official loop on a thread of its own, with its bound of steps for each turn; where that loop would ask a server,
the thread waits. Once all wait or have ended, one JSON line goes out, {"requests": [...], "results": {...}}, and one
comes back, {"answers": {id: text}}; a conversation that gets no text is given up. Who asks the model, what is kept
over an interruption, and what a conversation is worth is decided at the other end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import threading
import traceback
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO


class GivenUpError(Exception):
    """No text came for a request of this conversation."""


class Table:
    """Where the threads of the conversations meet the one that speaks to the other end."""

    def __init__(self) -> None:
        self.change = threading.Condition()
        self.requests: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, str | None] = {}
        self.results: dict[str, Any] = {}
        self.running = 0
        self.asked: Counter[str] = Counter()
        self.here = threading.local()

    def ask(self, request: dict[str, Any]) -> str:
        """The model's text; called by the official loop. Raises `GivenUpError`."""
        episode = self.here.episode
        name = f"{episode}/{self.asked[episode]}"  # the n-th request of a conversation is the same in each attempt
        self.asked[episode] += 1
        with self.change:
            self.requests[name] = {"id": name, "episode": episode, **request}
            self.change.notify_all()
            self.change.wait_for(lambda: name in self.answers)
            text = self.answers.pop(name)
        if text is None:
            raise GivenUpError(name)
        return text

    def begin(self, loop: Any, entries: list[dict[str, Any]]) -> None:
        """Start these conversations, each on a thread of its own."""
        with self.change:
            self.running += len(entries)
        for entry in entries:
            threading.Thread(target=self._play, args=(loop, entry), daemon=True).start()

    def _play(self, loop: Any, entry: dict[str, Any]) -> None:
        self.here.episode = entry["id"]
        result: Any = None
        try:
            result, _ = loop(entry, include_input_log=False, exclude_state_log=True)
        except GivenUpError:
            pass
        except Exception as error:  # as the official runner does: whatever its loop cannot take is a wrong answer
            traceback.print_exc()
            result = f"Error during inference: {error}"
        finally:
            with self.change:
                self.results[entry["id"]] = result
                self.running -= 1
                self.change.notify_all()

    def answer(self, answers: dict[str, str | None]) -> None:
        """Let every conversation that waits go on with its text."""
        with self.change:
            self.requests, self.answers = {}, answers
            self.change.notify_all()

    def wait(self) -> None:
        """Return once no conversation can go on by itself."""
        with self.change:
            self.change.wait_for(lambda: self.running == len(self.requests))


def seat(handler: Any, table: Table) -> None:
    """Let the official handler ask at the table. Its loop for function-calling models sends messages and functions,
    its loop for Qwen models the prompt that it renders of them."""

    def query_prompt(data: dict[str, Any]) -> Any:
        return _completion(table.ask({"prompt": handler._format_prompt(data["message"], data["function"])})), 0.0

    def query_functions(data: dict[str, Any]) -> Any:
        return _completion(table.ask({"messages": data["message"], "functions": data["function"]})), 0.0

    def add_results(data: dict[str, Any], results: list[str], _: object) -> dict[str, Any]:
        data["message"] += [{"role": "tool", "content": result} for result in results]
        return data

    handler._query_prompting, handler._query_FC = query_prompt, query_functions
    # The official Qwen handler has no loop for function calling of its own: what it lacks is what it does otherwise.
    handler._pre_query_processing_FC = lambda data, entry: {**data, "message": []}
    handler._compile_tools = lambda data, entry: {**data, "function": list(entry["function"])}
    handler.add_first_turn_message_FC = handler.add_first_turn_message_prompting
    handler._add_next_turn_user_message_FC = handler._add_next_turn_user_message_prompting
    handler._parse_query_response_FC = handler._parse_query_response_prompting
    handler._add_assistant_message_FC = handler._add_assistant_message_prompting
    handler._add_execution_results_FC = add_results


def _completion(text: str) -> Any:
    """A completion as the official handler reads one; tokens are counted at the other end."""
    return SimpleNamespace(
        choices=[SimpleNamespace(text=text)], usage=SimpleNamespace(prompt_tokens=0, completion_tokens=0)
    )


def play_all(ids: list[str], mode: str, folder: Path, stream: TextIO) -> None:
    """Play the conversations `ids`, each after those that it depends on: a memory is written before it is asked."""
    from checker import official_handler  # type: ignore[import-not-found]  # beside this script

    table, handler = Table(), official_handler()
    seat(handler, table)
    loop = handler.inference_multi_turn_prompting if mode == "official" else handler.inference_multi_turn_FC
    waiting = entries_of(ids, folder)
    delivered: set[str] = set()
    while True:
        ready = [entry for entry in waiting if not set(entry.get("depends_on", ())) - table.results.keys()]
        waiting = [entry for entry in waiting if entry not in ready]
        table.begin(loop, ready)
        table.wait()
        if waiting and not table.requests:
            continue  # what they depend on has just ended
        results = {name: result for name, result in table.results.items() if name not in delivered}
        delivered |= results.keys()
        _send(stream, {"requests": list(table.requests.values()), "results": results})
        if not table.requests:
            return
        table.answer(json.loads(stream.readline())["answers"])


def entries_of(ids: list[str], folder: Path) -> list[dict[str, Any]]:
    """The conversations with what they depend on, in the official order."""
    from bfcl_eval import utils

    wanted = set(ids)
    found = []
    for category in {utils.extract_test_category_from_id(name) for name in ids}:
        entries = utils.load_dataset_entry(category)
        needed = {name for entry in entries if entry["id"] in wanted for name in entry.get("depends_on", ())}
        found += [entry for entry in entries if entry["id"] in wanted | needed]
    return sorted(utils.populate_initial_settings_for_memory_test_cases(found, folder), key=utils.sort_key)


def _send(stream: TextIO, message: object) -> None:
    stream.write(json.dumps(message, ensure_ascii=False) + "\n")
    stream.flush()


def main() -> None:
    """The command line in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--mode", choices=("chat_template", "official"), required=True)
    parser.add_argument("--ids", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    os.environ["BFCL_PROJECT_ROOT"] = str(folder)
    with socket.socket(socket.AF_UNIX) as connection, contextlib.redirect_stdout(sys.stderr):
        connection.connect(arguments.socket)
        with connection.makefile("rw", encoding="utf-8", newline="\n") as stream:
            play_all(json.loads(arguments.ids.read_text(encoding="utf-8")), arguments.mode, folder, stream)


if __name__ == "__main__":
    main()
