"""Tools that change the world and say what they have done. A tool that refuses has changed nothing.

A function's signature is the tool's: names, types and defaults. Arguments have passed `implementations`, which bounds
them. Tools that only look something up are in `facts`.
"""

from __future__ import annotations

from fc_assets.calls.world.state import Result, ToolRefusal, World


def _expect_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ToolRefusal(f"{name} must be at least 1")


def _expect_percent(name: str, value: int) -> None:
    if not 0 <= value <= 100:
        raise ToolRefusal(f"{name} must be 0 to 100")


def book_hotel(world: World, city: str, nights: int, guests: int = 1) -> Result:
    """A room, where the city has one."""
    _expect_positive(nights=nights, guests=guests)
    world.expect_available(city)
    return world.add("hotel", city=city, nights=nights, guests=guests)


def rent_car(world: World, city: str, days: int, automatic: bool = False) -> Result:
    """A car, where the city has one."""
    _expect_positive(days=days)
    world.expect_available(city)
    return world.add("car", city=city, days=days, automatic=automatic)


def create_event(world: World, title: str, day: str, hour: int) -> Result:
    """An entry of the calendar."""
    if not 0 <= hour <= 23:
        raise ToolRefusal("hour must be 0 to 23")
    return world.add("event", title=title, day=day, hour=hour)


def set_reminder(world: World, text: str, minutes: int) -> Result:
    """A reminder."""
    _expect_positive(minutes=minutes)
    return world.add("reminder", text=text, minutes=minutes)


def invite_people(world: World, names: list[str], day: str) -> Result:
    """Invitations; people are named in any order."""
    if not names:
        raise ToolRefusal("there are no names")
    return world.add("invitation", names=sorted(names), day=day)


def send_message(world: World, recipient: str, subject: str, urgent: bool = False) -> Result:
    """A message."""
    return world.add("message", recipient=recipient, subject=subject, urgent=urgent)


def call_contact(world: World, name: str, video: bool = False) -> Result:
    """A phone call, where the person answers."""
    world.expect_available(name)
    return world.add("phone", name=name, video=video)


def add_to_cart(world: World, product: str, quantity: int = 1) -> Result:
    """The cart holds so many more of the product."""
    _expect_positive(quantity=quantity)
    before = world.things.get("cart", {}).get(product, {"quantity": 0})["quantity"]
    return world.put("cart", product, quantity=before + quantity)


def order_food(world: World, dish: str, portions: int, spicy: bool = False) -> Result:
    """A meal on its way."""
    _expect_positive(portions=portions)
    return world.add("meal", dish=dish, portions=portions, spicy=spicy)


def play_music(world: World, genre: str, volume: int = 50) -> Result:
    """What plays now; what played before has ended."""
    _expect_percent("volume", volume)
    return world.put("music", "player", genre=genre, volume=volume)


def set_light(world: World, room: str, brightness: int, colour: str = "white") -> Result:
    """The light of a room, until it is set again."""
    _expect_percent("brightness", brightness)
    return world.put("light", room, brightness=brightness, colour=colour)


def set_thermostat(world: World, room: str, degrees: float) -> Result:
    """The heating of a room, until it is set again."""
    if not 5 <= degrees <= 35:
        raise ToolRefusal("degrees must be 5 to 35")
    return world.put("thermostat", room, degrees=degrees)


def start_timer(world: World, minutes: int, label: str = "timer") -> Result:
    """The timer of that label, started anew."""
    _expect_positive(minutes=minutes)
    return world.put("timer", label, minutes=minutes)
