"""What people say in episodes and which calls that takes: data for `episodes`, in English and Chinese.

Names of places, people and goods are the tools' own in both languages, as people write who know the tools.
A text has `{slot}`s. In a call `$slot` stands for its value; a slot that a step `finds` has the value that its call
returned under that key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FIND_THEN_ACT = "find, then act"
ASK_THEN_CALL = "ask, then call"
REPAIR = "repair an error"
IN_ORDER = "calls in order"
KINDS = (FIND_THEN_ACT, ASK_THEN_CALL, REPAIR, IN_ORDER)


@dataclass(frozen=True, slots=True)
class Step:
    """One call, its arguments with slots, and the slots that its result fills."""

    tool: str
    arguments: Mapping[str, object]
    finds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScriptedTurn:
    """What the user says, the answers with calls that it takes, and the words that end it, which hold `required`."""

    english: str
    chinese: str
    answers: tuple[tuple[Step, ...], ...]
    says: str
    says_chinese: str
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """A conversation with slots, each with the pool of its values. What slot `refuses` names cannot be had."""

    kind: str
    slots: Mapping[str, str]
    turns: tuple[ScriptedTurn, ...]
    refuses: str = ""


def _asks(english: str, chinese: str, question: str, question_chinese: str) -> ScriptedTurn:
    return ScriptedTurn(english, chinese, (), question, question_chinese)


def _does(english: str, chinese: str, *answers: Step | tuple[Step, ...]) -> ScriptedTurn:
    each = tuple(answer if isinstance(answer, tuple) else (answer,) for answer in answers)
    return ScriptedTurn(english, chinese, each, "Done.", "好了。")


def _tells(english: str, chinese: str, slot: str, *answers: Step) -> ScriptedTurn:
    said = f"It is {{{slot}}}."
    return ScriptedTurn(english, chinese, tuple((step,) for step in answers), said, f"是 {{{slot}}}。", (slot,))


_TRACK = Step("track_order", {"order_id": "$order"}, {"place": "city"})
_PRICE = Step("stock_price", {"symbol": "$ticker"}, {"price": "price"})
_WEATHER = Step("get_weather", {"city": "$place"}, {"degrees": "degrees"})
_CHANGE = Step("convert_currency", {"amount": "$price", "source": "USD", "target": "$currency"}, {"sum": "amount"})
_BOOKS = Step("find_books", {"topic": "$topic"}, {"author": "author"})
_WRITE = Step("send_message", {"recipient": "$author", "subject": "$topic"})
_TRAIN = Step("train_times", {"origin": "$city", "destination": "$other"}, {"hour": "hour"})
_EVENT = Step("create_event", {"title": "$topic", "day": "$day", "hour": "$hour"})
_EVENTS = Step("list_events", {"day": "$day"}, {"first": "events"})
_HOTEL = {"nights": "$nights"}
_CAR = {"days": "$days"}

SCRIPTS: tuple[Script, ...] = (
    Script(
        FIND_THEN_ACT,
        {"order": "large"},
        (
            _tells(
                "check where order {order} is and tell me the weather there",
                "查一下订单 {order} 在哪里，再告诉我那里的天气",
                "degrees",
                _TRACK,
                _WEATHER,
            ),
        ),
    ),
    Script(
        FIND_THEN_ACT,
        {"order": "large"},
        (
            _tells("track order {order}", "跟踪订单 {order}", "place", _TRACK),
            _tells("tell me the weather there", "告诉我那里的天气", "degrees", _WEATHER),
        ),
    ),
    Script(
        FIND_THEN_ACT,
        {"topic": "topic"},
        (
            _does(
                "find books about {topic} and write to the author about {topic}",
                "找关于 {topic} 的书，再给作者写信谈 {topic}",
                _BOOKS,
                _WRITE,
            ),
        ),
    ),
    Script(
        FIND_THEN_ACT,
        {"ticker": "ticker", "currency": "currency"},
        (
            _tells("get the stock price of {ticker}", "查 {ticker} 的股价", "price", _PRICE),
            _tells("convert it from USD to {currency}", "把它从 USD 换成 {currency}", "sum", _CHANGE),
        ),
    ),
    Script(
        FIND_THEN_ACT,
        {"city": "city", "other": "city", "topic": "topic", "day": "day"},
        (
            _tells("look up the train to {other} from {city}", "查从 {city} 到 {other} 的火车", "hour", _TRAIN),
            _does("put {topic} in my calendar on {day} at that hour", "在 {day} 的那个时间把 {topic} 记进日历", _EVENT),
        ),
    ),
    Script(
        ASK_THEN_CALL,
        {"city": "city", "nights": "small"},
        (
            _asks("book a hotel in {city}", "在 {city} 订酒店", "How many nights?", "住几晚？"),
            _does("{nights} nights", "{nights} 晚", Step("book_hotel", {"city": "$city", **_HOTEL})),
        ),
    ),
    Script(
        ASK_THEN_CALL,
        {"city": "city", "days": "small"},
        (
            _asks("rent a car in {city}", "在 {city} 租车", "How many days?", "租几天？"),
            _does("{days} days", "{days} 天", Step("rent_car", {"city": "$city", **_CAR})),
        ),
    ),
    Script(
        ASK_THEN_CALL,
        {"dish": "dish", "portions": "small"},
        (
            _asks("order some {dish}", "点一些 {dish}", "How many portions?", "要几份？"),
            _does(
                "{portions} portions", "{portions} 份", Step("order_food", {"dish": "$dish", "portions": "$portions"})
            ),
        ),
    ),
    Script(
        ASK_THEN_CALL,
        {"room": "room", "degrees": "degrees"},
        (
            _asks("heat the {room}", "给 {room} 加热", "How many degrees?", "多少度？"),
            _does(
                "{degrees} degrees", "{degrees} 度", Step("set_thermostat", {"room": "$room", "degrees": "$degrees"})
            ),
        ),
    ),
    Script(
        REPAIR,
        {"city": "city", "nights": "small"},
        (
            _does(
                "book a hotel in {city} for {nights} nights, or where one is available",
                "在 {city} 订酒店住 {nights} 晚，没有就订有的地方",
                Step("book_hotel", {"city": "$city", **_HOTEL}, {"instead": "available"}),
                Step("book_hotel", {"city": "$instead", **_HOTEL}),
            ),
        ),
        refuses="city",
    ),
    Script(
        REPAIR,
        {"city": "city", "days": "small"},
        (
            _does(
                "rent a car in {city} for {days} days, or where one is available",
                "在 {city} 租车 {days} 天，没有就租有的地方",
                Step("rent_car", {"city": "$city", **_CAR}, {"instead": "available"}),
                Step("rent_car", {"city": "$instead", **_CAR}),
            ),
        ),
        refuses="city",
    ),
    Script(
        REPAIR,
        {"name": "name"},
        (
            _does(
                "call {name}, or who is available",
                "给 {name} 打电话，不在就打给在的人",
                Step("call_contact", {"name": "$name"}, {"instead": "available"}),
                Step("call_contact", {"name": "$instead"}),
            ),
        ),
        refuses="name",
    ),
    Script(
        IN_ORDER,
        {"room": "room", "low": "percent", "high": "percent"},
        (
            _does(
                "set the light in the {room} to {low} percent, then to {high} percent",
                "先把 {room} 的灯调到 {low}%，再调到 {high}%",
                (
                    Step("set_light", {"room": "$room", "brightness": "$low"}),
                    Step("set_light", {"room": "$room", "brightness": "$high"}),
                ),
            ),
        ),
    ),
    Script(
        IN_ORDER,
        {"topic": "topic", "day": "day", "hour": "hour"},
        (
            _tells(
                "create an event called {topic} at {hour} on {day}, then list my events on {day}",
                "在 {day} {hour} 点建一个叫 {topic} 的日程，再列出 {day} 的日程",
                "first",
                _EVENT,
                _EVENTS,
            ),
        ),
    ),
    Script(
        IN_ORDER,
        {"genre": "genre", "later": "genre", "volume": "percent", "then": "percent"},
        (
            _does(
                "play {genre} music at volume {volume}",
                "播放 {genre} 音乐，音量 {volume}",
                Step("play_music", {"genre": "$genre", "volume": "$volume"}),
            ),
            _does(
                "play {later} music at volume {then}",
                "播放 {later} 音乐，音量 {then}",
                Step("play_music", {"genre": "$later", "volume": "$then"}),
            ),
        ),
    ),
)
