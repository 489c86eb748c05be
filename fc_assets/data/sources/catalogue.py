"""The tools, values and phrasings that the embedded data generator draws from.

Data only: how rows are made of it is in `generator`.

A phrasing is a clause in lower case with `{parameter}` slots, so that clauses can be joined. What it does not mention
is left to the tool's default; what it states in words ("with alerts") is `stated`. Every value stands in the query as
it stands in the call: a model of a few million parameters can learn to copy but knows nothing about the world.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class CatalogueParameter:
    """One parameter in xLAM's flat form: `type` is xLAM's Python-like spelling, `pool` names what its values are."""

    type: str
    description: str
    pool: str
    default: object = None


@dataclass(frozen=True)
class CataloguePhrasing:
    """A clause with slots, and the arguments its fixed words state."""

    text: str
    stated: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class CatalogueTool:
    """A function that somebody could offer: its signature, and the ways in which people ask for it."""

    name: str
    domain: str
    description: str
    parameters: dict[str, CatalogueParameter]
    phrasings: tuple[CataloguePhrasing, ...]


def _tool(
    name: str, domain: str, description: str, parameters: dict[str, CatalogueParameter], *texts: str | CataloguePhrasing
) -> CatalogueTool:
    phrasings = tuple(text if isinstance(text, CataloguePhrasing) else CataloguePhrasing(text) for text in texts)
    return CatalogueTool(name, domain, description, parameters, phrasings)


TOOLS: tuple[CatalogueTool, ...] = (
    _tool(
        "get_weather",
        "weather",
        "Current weather in a city.",
        {
            "city": CatalogueParameter("str", "City name", "city"),
            "unit": CatalogueParameter("str, optional", "celsius or fahrenheit", "temperature", "celsius"),
        },
        "tell me the weather in {city}",
        "check the current weather for {city}",
        "tell me the weather in {city} in {unit}",
        "check the weather of {city} using {unit}",
    ),
    _tool(
        "get_forecast",
        "weather",
        "Weather forecast for some days.",
        {
            "city": CatalogueParameter("str", "City name", "city"),
            "days": CatalogueParameter("int", "Number of days", "small"),
            "alerts": CatalogueParameter("bool, optional", "Include storm alerts", "bool", False),
        },
        "give me the forecast for {city} for {days} days",
        "forecast the next {days} days in {city}",
        CataloguePhrasing("give me the forecast for {city} for {days} days with alerts", {"alerts": True}),
    ),
    _tool(
        "air_quality",
        "weather",
        "Air quality at a place.",
        {
            "city": CatalogueParameter("str", "City name", "city"),
            "day": CatalogueParameter("str", "Day of the week", "day"),
        },
        "show the air quality in {city} on {day}",
        "find out how clean the air of {city} is on {day}",
    ),
    _tool(
        "search_flights",
        "travel",
        "Search flights between two cities.",
        {
            "origin": CatalogueParameter("str", "City of departure", "city"),
            "destination": CatalogueParameter("str", "City of arrival", "city"),
            "date": CatalogueParameter("str", "Date of departure", "date"),
            "cabin": CatalogueParameter("str, optional", "economy, business or first", "cabin", "economy"),
        },
        "find flights from {origin} to {destination} on {date}",
        "search a flight to {destination} from {origin} for {date}",
        "find {cabin} flights from {origin} to {destination} on {date}",
    ),
    _tool(
        "book_hotel",
        "travel",
        "Book a hotel room.",
        {
            "city": CatalogueParameter("str", "City name", "city"),
            "nights": CatalogueParameter("int", "Number of nights", "small"),
            "guests": CatalogueParameter("int, optional", "Number of guests", "small", 1),
        },
        "book a hotel in {city} for {nights} nights",
        "reserve {nights} nights at a hotel in {city}",
        "book a hotel in {city} for {nights} nights and {guests} guests",
    ),
    _tool(
        "rent_car",
        "travel",
        "Rent a car.",
        {
            "city": CatalogueParameter("str", "Pick up city", "city"),
            "days": CatalogueParameter("int", "Number of days", "small"),
            "automatic": CatalogueParameter("bool, optional", "Automatic gearbox", "bool", False),
        },
        "rent a car in {city} for {days} days",
        "hire a car for {days} days in {city}",
        CataloguePhrasing("rent an automatic car in {city} for {days} days", {"automatic": True}),
    ),
    _tool(
        "train_times",
        "travel",
        "Train departures between stations.",
        {"origin": CatalogueParameter("str", "Start", "city"), "destination": CatalogueParameter("str", "End", "city")},
        "list trains from {origin} to {destination}",
        "look up the train to {destination} from {origin}",
    ),
    _tool(
        "convert_currency",
        "finance",
        "Convert money between currencies.",
        {
            "amount": CatalogueParameter("float", "Amount of money", "money"),
            "source": CatalogueParameter("str", "Source currency", "currency"),
            "target": CatalogueParameter("str", "Target currency", "currency"),
        },
        "convert {amount} {source} to {target}",
        "change {amount} {source} into {target}",
    ),
    _tool(
        "stock_price",
        "finance",
        "Price of a stock.",
        {
            "symbol": CatalogueParameter("str", "Ticker symbol", "ticker"),
            "date": CatalogueParameter("str, optional", "Date", "date", "today"),
        },
        "get the stock price of {symbol}",
        "get the price of {symbol} on {date}",
        "look up what {symbol} stock costs",
    ),
    _tool(
        "loan_payment",
        "finance",
        "Monthly payment of a loan.",
        {
            "principal": CatalogueParameter("int", "Amount borrowed", "large"),
            "rate": CatalogueParameter("float", "Interest rate in percent", "rate"),
            "years": CatalogueParameter("int", "Term in years", "small"),
        },
        "calculate the payment for a loan of {principal} at {rate} percent over {years} years",
        "work out a {years} year loan of {principal} at {rate} percent",
    ),
    _tool(
        "split_bill",
        "finance",
        "Split a bill between people.",
        {
            "total": CatalogueParameter("float", "Total of the bill", "money"),
            "people": CatalogueParameter("int", "Number of people", "small"),
            "tip": CatalogueParameter("int, optional", "Tip in percent", "percent", 10),
        },
        "split a bill of {total} between {people} people",
        "split {total} among {people} people with a tip of {tip} percent",
    ),
    _tool(
        "create_event",
        "calendar",
        "Create a calendar event.",
        {
            "title": CatalogueParameter("str", "Title of the event", "topic"),
            "day": CatalogueParameter("str", "Day of the week", "day"),
            "hour": CatalogueParameter("int", "Hour of the day", "hour"),
        },
        "put {title} in my calendar on {day} at {hour}",
        "create an event called {title} at {hour} on {day}",
    ),
    _tool(
        "set_reminder",
        "calendar",
        "Set a reminder.",
        {
            "text": CatalogueParameter("str", "What to remember", "goods"),
            "minutes": CatalogueParameter("int", "Minutes from now", "count"),
        },
        "remind me about the {text} in {minutes} minutes",
        "set a reminder for the {text} in {minutes} minutes",
    ),
    _tool(
        "list_events",
        "calendar",
        "List events of a day.",
        {
            "day": CatalogueParameter("str", "Day of the week", "day"),
            "limit": CatalogueParameter("int, optional", "Number of events", "small", 10),
        },
        "list my events on {day}",
        "show the first {limit} events in my calendar for {day}",
    ),
    _tool(
        "invite_people",
        "calendar",
        "Invite people to a meeting.",
        {
            "names": CatalogueParameter("List[str]", "Names of the people", "names"),
            "day": CatalogueParameter("str", "Day of the week", "day"),
        },
        "invite {names} to a meeting on {day}",
        "set up a meeting on {day} with {names}",
    ),
    _tool(
        "send_message",
        "messages",
        "Send a message to a person.",
        {
            "recipient": CatalogueParameter("str", "Name of the person", "name"),
            "subject": CatalogueParameter("str", "Subject", "topic"),
            "urgent": CatalogueParameter("bool, optional", "Mark as urgent", "bool", False),
        },
        "send a message to {recipient} about {subject}",
        "write to {recipient} about {subject}",
        CataloguePhrasing("send an urgent message to {recipient} about {subject}", {"urgent": True}),
    ),
    _tool(
        "call_contact",
        "messages",
        "Call a person by phone.",
        {
            "name": CatalogueParameter("str", "Name of the person", "name"),
            "video": CatalogueParameter("bool, optional", "Use video", "bool", False),
        },
        "call {name}",
        "phone {name}",
        CataloguePhrasing("make a video call to {name}", {"video": True}),
    ),
    _tool(
        "translate_word",
        "messages",
        "Translate a word.",
        {
            "word": CatalogueParameter("str", "Word", "goods"),
            "language": CatalogueParameter("str", "Target language", "language"),
        },
        "translate {word} into {language}",
        "say {word} in {language}",
    ),
    _tool(
        "search_products",
        "shopping",
        "Search products in the shop.",
        {
            "product": CatalogueParameter("str", "Product", "goods"),
            "max_price": CatalogueParameter("int", "Highest price", "count"),
            "sort_by": CatalogueParameter("str, optional", "price, rating or date", "order", "rating"),
        },
        "search for a {product} under {max_price} dollars",
        "find a {product} that costs at most {max_price}",
        "search for a {product} under {max_price} dollars sorted by {sort_by}",
    ),
    _tool(
        "add_to_cart",
        "shopping",
        "Put a product into the cart.",
        {
            "product": CatalogueParameter("str", "Product", "goods"),
            "quantity": CatalogueParameter("int, optional", "How many", "small", 1),
        },
        "add a {product} to my cart",
        "add {quantity} pieces of {product} to the cart",
        "put the {product} into my cart",
    ),
    _tool(
        "track_order",
        "shopping",
        "Track an order.",
        {"order_id": CatalogueParameter("int", "Order number", "large")},
        "track order {order_id}",
        "check where order {order_id} is",
    ),
    _tool(
        "order_food",
        "shopping",
        "Order food at home.",
        {
            "dish": CatalogueParameter("str", "Dish", "dish"),
            "portions": CatalogueParameter("int", "Number of portions", "small"),
            "spicy": CatalogueParameter("bool, optional", "Make it spicy", "bool", False),
        },
        "order {portions} portions of {dish}",
        "get me {portions} portions of {dish}",
        CataloguePhrasing("order {portions} portions of spicy {dish}", {"spicy": True}),
    ),
    _tool(
        "play_music",
        "media",
        "Play music of a genre.",
        {
            "genre": CatalogueParameter("str", "Genre", "genre"),
            "volume": CatalogueParameter("int, optional", "Volume in percent", "percent", 50),
        },
        "play some {genre}",
        "play {genre} music at volume {volume}",
    ),
    _tool(
        "find_books",
        "media",
        "Find books about a topic.",
        {
            "topic": CatalogueParameter("str", "Topic", "topic"),
            "author": CatalogueParameter("str, optional", "Author", "name", ""),
            "year": CatalogueParameter("int, optional", "Oldest year", "year", 1900),
        },
        "find books about {topic}",
        "find books on {topic} by {author}",
        "look for books about {topic} since {year}",
    ),
    _tool(
        "set_light",
        "home",
        "Set the light of a room.",
        {
            "room": CatalogueParameter("str", "Room", "room"),
            "colour": CatalogueParameter("str, optional", "Colour", "colour", "white"),
            "brightness": CatalogueParameter("int", "Brightness in percent", "percent"),
        },
        "set the light in the {room} to {brightness} percent",
        "dim the {room} light to {brightness} percent",
        "make the light in the {room} {colour} at {brightness} percent",
    ),
    _tool(
        "set_thermostat",
        "home",
        "Set the temperature of a room.",
        {
            "room": CatalogueParameter("str", "Room", "room"),
            "degrees": CatalogueParameter("float", "Degrees", "degrees"),
        },
        "heat the {room} to {degrees} degrees",
        "set the temperature in the {room} to {degrees}",
    ),
    _tool(
        "start_timer",
        "home",
        "Start a timer.",
        {
            "minutes": CatalogueParameter("int", "Minutes", "count"),
            "label": CatalogueParameter("str, optional", "Label", "dish", "timer"),
        },
        "start a timer of {minutes} minutes",
        "time {minutes} minutes for the {label}",
    ),
    _tool(
        "convert_length",
        "maths",
        "Convert a length between units.",
        {
            "value": CatalogueParameter("float", "Length", "money"),
            "source": CatalogueParameter("str", "Source unit", "length"),
            "target": CatalogueParameter("str", "Target unit", "length"),
        },
        "convert {value} {source} to {target}",
        "express {value} {source} in {target}",
    ),
    _tool(
        "shape_area",
        "maths",
        "Area of a shape.",
        {"shape": CatalogueParameter("str", "Shape", "shape"), "size": CatalogueParameter("int", "Size", "count")},
        "compute the area of a {shape} of size {size}",
        "work out how large a {shape} of size {size} is",
    ),
    _tool(
        "random_numbers",
        "maths",
        "Draw random numbers.",
        {
            "count": CatalogueParameter("int", "How many", "small"),
            "low": CatalogueParameter("int", "Lowest", "small"),
            "high": CatalogueParameter("int", "Highest", "large"),
        },
        "draw {count} random numbers between {low} and {high}",
        "pick {count} numbers from {low} to {high}",
    ),
    _tool(
        "mean_value",
        "maths",
        "Mean of a list of numbers.",
        {"numbers": CatalogueParameter("List[int]", "Numbers", "integers")},
        "compute the mean of {numbers}",
        "average {numbers}",
    ),
    _tool(
        "add_numbers",
        "maths",
        "Add two numbers.",
        {
            "a": CatalogueParameter("int", "First number", "count"),
            "b": CatalogueParameter("int", "Second number", "count"),
        },
        "add {a} and {b}",
        "sum {a} and {b}",
    ),
)

# Requests that no tool above can serve; they make up a part of the rows in which no call is right.
OFF_TOPIC: tuple[str, ...] = (
    "write a poem about {topic} for {name}",
    "tell {name} a joke about a {goods}",
    "explain {topic} to {name}",
    "what do you think of {city} and {dish}",
    "who invented the {goods}",
    "thank you {name}, see you on {day}",
    "why do people in {city} like {topic}",
    "describe the smell of {dish} in {city}",
)
