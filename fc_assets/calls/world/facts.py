"""Tools that look something up or compute it, and change nothing. What they find depends on the world's start alone.

A function's signature is the tool's: names, types and defaults. Arguments have passed `implementations`, which bounds
them. Tools that change the world are in `actions`.
"""

from __future__ import annotations

import math

from fc_assets.calls.world.state import Result, ToolRefusal, World
from fc_assets.calls.world.words import CITIES, NAMES, ROOMS

_CURRENCY_VALUES = {
    **{"USD": 1.0, "EUR": 1.1, "GBP": 1.3, "JPY": 0.007, "CHF": 1.2, "CAD": 0.7},
    **{"AUD": 0.65, "SEK": 0.1, "NOK": 0.1, "INR": 0.012, "BRL": 0.2, "MXN": 0.06},
}
_METRES = {"metres": 1.0, "feet": 0.3048, "inches": 0.0254, "yards": 0.9144, "miles": 1609.344, "kilometres": 1000.0}
_AREAS = {
    **{"circle": math.pi / 4, "square": 1.0, "triangle": math.sqrt(3) / 4, "hexagon": 1.5 * math.sqrt(3)},
    **{"cube": 6.0, "sphere": math.pi, "cone": math.pi / 2, "cylinder": 1.5 * math.pi},
}
_MOST_DRAWN = 100


def get_weather(world: World, city: str, unit: str = "celsius") -> Result:
    """The temperature now."""
    if unit not in ("celsius", "fahrenheit"):
        raise ToolRefusal("unknown unit")
    degrees = world.number(2, 39, "weather", city)
    return {"city": city, "degrees": degrees if unit == "celsius" else round(degrees * 1.8 + 32), "unit": unit}


def get_forecast(world: World, city: str, days: int, alerts: bool = False) -> Result:
    """The mean temperature of the days to come, and the storms among them if asked for."""
    if not 1 <= days <= 60:
        raise ToolRefusal("days must be 1 to 60")
    found: Result = {"city": city, "days": days, "degrees": world.number(2, 39, "forecast", city, days)}
    return {**found, "storms": world.number(0, 3, "storms", city, days)} if alerts else found


def air_quality(world: World, city: str, day: str) -> Result:
    """An index, lower is better."""
    return {"city": city, "day": day, "index": world.number(5, 180, "air", city, day)}


def search_flights(world: World, origin: str, destination: str, date: str, cabin: str = "economy") -> Result:
    """The cheapest flight."""
    if origin == destination:
        raise ToolRefusal("origin and destination are the same")
    about = ("flight", origin, destination, date, cabin)
    return {"hour": world.number(5, 22, *about), "price": world.number(60, 950, "price", *about), "cabin": cabin}


def train_times(world: World, origin: str, destination: str) -> Result:
    """The next train."""
    if origin == destination:
        raise ToolRefusal("origin and destination are the same")
    return {"hour": world.number(5, 22, "train", origin, destination)}


def convert_currency(world: World, amount: float, source: str, target: str) -> Result:
    """At fixed rates, rounded to hundredths."""
    if source not in _CURRENCY_VALUES or target not in _CURRENCY_VALUES:
        raise ToolRefusal("unknown currency")
    return {"amount": round(amount * _CURRENCY_VALUES[source] / _CURRENCY_VALUES[target], 2), "currency": target}


def stock_price(world: World, symbol: str, date: str = "today") -> Result:
    """In dollars."""
    return {"symbol": symbol, "price": world.number(20, 900, "stock", symbol, date) + 0.5, "currency": "USD"}


def loan_payment(world: World, principal: int, rate: float, years: int) -> Result:
    """The monthly payment of an annuity, rounded to hundredths."""
    if principal < 0 or rate < 0 or not 1 <= years <= 100 or rate > 1000:
        raise ToolRefusal("no such loan")
    months, monthly = years * 12, rate / 1200
    growth = (1 + monthly) ** -months
    share = monthly / (1 - growth) if growth < 1 else 1 / months  # a rate too small to count is none
    return {"payment": round(principal * share, 2)}


def split_bill(world: World, total: float, people: int, tip: int = 10) -> Result:
    """What each pays, rounded to hundredths."""
    if people < 1:
        raise ToolRefusal("people must be at least 1")
    return {"each": round(total * (1 + tip / 100) / people, 2)}


def list_events(world: World, day: str, limit: int = 10) -> Result:
    """What the calendar holds on that day, by hour."""
    events = [record for record in world.records.get("event", ()) if record["day"] == day]
    events.sort(key=lambda event: (event["hour"], event["title"]))
    return {"day": day, "events": [event["title"] for event in events][: max(0, limit)]}


def translate_word(world: World, word: str, language: str) -> Result:
    """A made-up word of the language: two syllables that depend on the word."""
    syllables = ("ba", "lo", "mi", "re", "su", "ta", "no", "vi")
    return {"word": "".join(world.pick(syllables, "word", word, language, part) for part in range(2))}


def search_products(world: World, product: str, max_price: int, sort_by: str = "rating") -> Result:
    """The best offer below the price, and how many of it there are."""
    if sort_by not in ("price", "rating", "date"):
        raise ToolRefusal("unknown order")
    if max_price < 2:
        raise ToolRefusal("nothing is that cheap")
    about = ("product", product, max_price, sort_by)
    return {"product": product, "price": world.number(max(1, max_price // 2), max_price, *about)}


def track_order(world: World, order_id: int) -> Result:
    """Where the order is."""
    return {"order_id": order_id, "city": world.pick(CITIES, "order", order_id)}


def find_books(world: World, topic: str, author: str = "", year: int = 1900) -> Result:
    """The best known book."""
    found = author or world.pick(NAMES, "book", topic, year)
    return {"topic": topic, "author": found, "room": world.pick(ROOMS, "shelf", topic, found)}


def convert_length(world: World, value: float, source: str, target: str) -> Result:
    """Rounded to thousandths."""
    if source not in _METRES or target not in _METRES:
        raise ToolRefusal("unknown unit")
    return {"value": round(value * _METRES[source] / _METRES[target], 3), "unit": target}


def shape_area(world: World, shape: str, size: int) -> Result:
    """Of flat shapes the area, of bodies the surface; `size` is edge, diameter and height alike."""
    if shape not in _AREAS or size < 0:
        raise ToolRefusal("no such shape")
    return {"area": round(_AREAS[shape] * size * size, 2)}


def random_numbers(world: World, count: int, low: int, high: int) -> Result:
    """Numbers that depend on what is asked: the same question draws the same."""
    if not 1 <= count <= _MOST_DRAWN or low > high:
        raise ToolRefusal(f"count must be 1 to {_MOST_DRAWN}, and low at most high")
    return {"numbers": [world.number(low, high, "random", count, place) for place in range(count)]}


def mean_value(world: World, numbers: list[int]) -> Result:
    """Rounded to hundredths."""
    if not numbers:
        raise ToolRefusal("there are no numbers")
    return {"mean": round(sum(numbers) / len(numbers), 2)}


def add_numbers(world: World, a: int, b: int) -> Result:
    """Their sum."""
    return {"sum": a + b}
