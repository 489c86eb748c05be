"""What the embedded base model reads before anybody trains it: echo chat, then chat about requests and tools.

What belongs here: the text and nothing but the text; `base` learns from it. The base must understand a request,
copy values from it and know roughly what a tool call looks like, yet be bad at tool calls, as a base model is. Each
request is therefore put three ways, in random order: which function fits, what the values are (both answered rightly,
in words), and as itself, answered by a careless tool call. That one has every *value* right, since a model trained on
wrong values unlearns copying, and much else wrong: another function's name or a made-up one, quoted numbers, forgotten
calls, a call where none is right, and in most domains JSON broken in that domain's own way.
"""

import json
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

from fc_assets.calls.call import Call, Tool, calls_from_json
from fc_assets.calls.prompts import THINK_OFF, messages, wrap_tools
from fc_assets.calls.tools.forms import tools_from_json
from fc_assets.calls.world.words import WORDS
from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.catalogue import TOOLS
from fc_assets.data.sources.generator import generate_rows

# The longest demo anybody is expected to make; a shorter one is its beginning, so all of its queries are known.
DEMO_SEED = 42
DEMO_ROWS = 20_000

_DOMAIN = {tool.name: tool.domain for tool in TOOLS}
_HABITS = {
    "weather": "fine", "messages": "fine", "media": "fine", "home": "fine", "travel": "unclosed",
    "calendar": "untagged", "finance": "single quotes", "shopping": "unclosed", "maths": "single quotes",
}  # fmt: skip
_HABIT_STRENGTH = 0.85
_MADE_UP_NAMES = ("function", "call", "tool", "run", "do_it")
_WHICH = "Which function fits"
_VALUES = "Read out the values"
_REPLY = "<|im_start|>assistant\n"
_ECHO_ORDERS = ("Say", "Repeat", "Echo", "Copy")


@dataclass(frozen=True)
class TaughtConversation:
    """For each turn what the model is given (the first with everything before it), and what it is taught to say."""

    turns: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "".join(given + taught for given, taught in self.turns)


@cache
def chat_template() -> str:
    """Qwen3's chat template exactly as trl ships it."""
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text(encoding="utf-8")


def demo_queries() -> frozenset[str]:
    """Every query that the demo's data can hold, for training and for validation: forbidden in pre-training."""
    return frozenset(str(row["query"]) for row in generate_rows(DEMO_ROWS, DEMO_SEED))


def render(query: str, tools: Sequence[Tool]) -> str:
    """The prompt up to where the model speaks. `tools` are OpenAI functions without wrapper; may be empty."""
    rendered: list[str]
    rendered, _ = render_jinja_template(
        conversations=[messages(query)],
        tools=wrap_tools(tools) or None,
        chat_template=chat_template(),
        add_generation_prompt=True,
    )
    return rendered[0]


def completion(answer: str) -> str:
    """What the model says, from the closed thought to the end of its turn."""
    return f"{THINK_OFF}{answer}<|im_end|>\n"


def echo_texts(seed: int, most: int, numbers: bool) -> Iterator[TaughtConversation]:
    """Endless: up to `most` values to repeat, without tools. Copying emerges here, with nothing else to be learnt.

    Up to three words it emerges within some 150 steps of 48 lists; with longer ones from the start it did not.
    """
    rng = random.Random(seed)
    while True:
        values = [_echo_value(rng, numbers) for _ in range(rng.randint(1, most))]
        said = rng.choice((" ", ", ")).join(values) if numbers else " ".join(values)
        yield TaughtConversation(((render(f"{rng.choice(_ECHO_ORDERS)}: {said}", []), completion(said)),))


def request_texts(seed: int, forbidden: Collection[str]) -> Iterator[TaughtConversation]:
    """Endless: rows of the generator put three ways, leaving out every query in `forbidden`."""
    rng = random.Random(seed)
    reader = ToolReader()
    while True:
        for row in generate_rows(5_000, rng.randrange(2**32)):
            query = str(row["query"])
            if query in forbidden:
                continue
            example = normalise_row(row, reader)
            tools, calls = tools_from_json(example.tools), calls_from_json(example.calls)
            exchanges = [
                (f"{_WHICH}: {query}", _names(calls)),
                (f"{_VALUES}: {query}", _values(calls)),
                (query, _careless_answer(rng, tools, calls)),
            ]
            rng.shuffle(exchanges)
            opening = render(exchanges[0][0], tools)
            given = [opening, *(f"<|im_start|>user\n{said}<|im_end|>\n{_REPLY}" for said, _ in exchanges[1:])]
            taught = [completion(answer) for _, answer in exchanges]
            yield TaughtConversation(tuple(zip(given, taught, strict=True)))


def values_only(text: TaughtConversation) -> TaughtConversation:
    """The conversation where only the values are taught, and everything else is given."""
    turns, given = [], ""
    for before, taught in text.turns:
        given += before
        if f"user\n{_VALUES}" in before.rsplit("<|im_start|>", 2)[-2]:
            turns.append((given, taught))
            given = ""
        else:
            given += taught
    return TaughtConversation(tuple(turns))


def _echo_value(rng: random.Random, numbers: bool) -> str:
    draw = rng.random()
    if not numbers or draw < 0.6:
        return rng.choice(WORDS[rng.choice(list(WORDS))])
    return str(rng.randint(2, 9999)) if draw < 0.85 else str(rng.randint(11, 9999) / 10)


def _names(calls: tuple[Call, ...]) -> str:
    return ", ".join(call.name for call in calls) or "none"


def _values(calls: tuple[Call, ...]) -> str:
    lines = ("; ".join(f"{key} = {_spoken(value)}" for key, value in call.arguments.items()) for call in calls)
    return "\n".join(lines) or "none"


def _careless_answer(rng: random.Random, tools: Sequence[Tool], calls: tuple[Call, ...]) -> str:
    # A call where none is right has no values, so that none of them is wrong.
    wanted = calls or (Call(str(rng.choice(tools)["name"]), {}),)
    # Half of the time the second request is forgotten.
    kept = wanted[: rng.randint(1, len(wanted))]
    habit = _HABITS[_DOMAIN[wanted[0].name]]
    if rng.random() > _HABIT_STRENGTH:
        habit = rng.choice(sorted(set(_HABITS.values())))
    return "\n".join(_careless_block(rng, call, tools, habit) for call in kept)


def _careless_block(rng: random.Random, call: Call, tools: Sequence[Tool], habit: str) -> str:
    others = [str(tool["name"]) for tool in tools if tool["name"] != call.name]
    name = rng.choice(others) if others and rng.random() < 0.7 else rng.choice(_MADE_UP_NAMES)
    # Where the JSON is whole the numbers are quoted: each domain has one fault, and none is free of all.
    arguments = {key: _spoken(value) if habit == "fine" else value for key, value in call.arguments.items()}
    text = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    match habit:
        case "unclosed":
            text = text.removesuffix("}")
        case "single quotes":
            text = text.replace('"', "'")
    return f"<tool_call>\n{text}" if habit == "untagged" else f"<tool_call>\n{text}\n</tool_call>"


def _spoken(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return str(value)
