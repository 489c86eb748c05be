"""How people ask for a tool, in English and Chinese: data for `requests`.

A phrasing has a `{task}`, a clause that begins with a verb, and `{arguments}`, each written in the phrasing's own way.
Those that are held out are used in validation only, and share no wording around task and arguments with the others.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrasing:
    """A request with arguments, the same without any, how one argument is written, and what stands between two."""

    text: str
    alone: str
    argument: str = "{label} {value}"
    joint: str = ", "
    chinese: bool = False


PHRASINGS = (
    Phrasing("Please {task}: {arguments}.", "Please {task}.", "{label} {value}"),
    Phrasing("{task} with {arguments}", "{task}", "{label} {value}", " and "),
    Phrasing("Can you {task}? {arguments}.", "Can you {task}?", "{label}: {value}"),
    Phrasing("I need to {task}. {arguments}", "I need to {task}", "{label} = {value}", "; "),
    Phrasing("I want you to {task}, {arguments}!", "I want you to {task}!", "{label} is {value}"),
    Phrasing("{arguments}. {task}, please", "{task}, please", "{label} {value}"),
    Phrasing("Could you {task} for me, {arguments}?", "Could you {task} for me?", "{value} as {label}"),
    Phrasing("Hello, {task} using {arguments}", "Hello, {task}", "{label} {value}", " and "),
    Phrasing("{task} ({arguments})", "Just {task}", "{label}: {value}"),
    Phrasing("We have to {task} now: {arguments}.", "We have to {task} now.", "{label} - {value}"),
    Phrasing("请{task}：{arguments}。", "请{task}。", "{label} 是 {value}", "，", chinese=True),
    Phrasing("帮我 {task}，{arguments}", "帮我 {task}", "{label} 为 {value}", "，", chinese=True),
    Phrasing("我想 {task}。{arguments}", "我想 {task}", "{label}：{value}", "；", chinese=True),
    Phrasing("{arguments}，用它 {task}", "现在 {task}", "{label} {value}", "，", chinese=True),
)
HELD_OUT_PHRASINGS = (
    Phrasing("My next job is to {task}; let {arguments}.", "My next job is to {task}.", "{label} be {value}", " and "),
    Phrasing("Would you mind if we {task} given {arguments}", "Would you mind if we {task}", "{value} for {label}"),
    Phrasing("Take {arguments} and then {task}", "Go ahead and {task}", "{value} ({label})"),
    Phrasing("Time to {task}, where {arguments}", "Time to {task}", "{label} should be {value}", " while "),
    Phrasing("麻烦你 {task}，其中 {arguments}", "麻烦你 {task}", "{label} 应为 {value}", "、", chinese=True),
    Phrasing("能不能 {task}？条件：{arguments}", "能不能 {task}？", "{label} 取 {value}", "、", chinese=True),
)

JOINTS = (", and ", ". Then ", ". Also ", "; ")
HELD_OUT_JOINTS = (". On top of that: ", ". After this one ")
JOINTS_CHINESE = ("，然后", "，另外")

ASKS = "Which {label} do you want?"
ASKS_CHINESE = "请问 {label} 是什么？"
SAYS = "Done."
SAYS_CHINESE = "好了。"

OFF_TOPIC = (
    "Tell me a story about a {goods} and a {colour} {shape}.",
    "Why is {topic} taught in {city}?",
    "I feel like {dish} tonight, do you?",
    "How was your {day}, {name}?",
    "Who was the first person to enjoy {topic} in {city}?",
    "给我讲一个关于 {topic} 的笑话。",
)
HELD_OUT_OFF_TOPIC = (
    "Which is nobler, {topic} or {dish}?",
    "Sing me something in {genre} about {city}.",
    "Do you dream of a {colour} {goods}?",
    "你觉得 {city} 的 {dish} 好吃吗？",
)
