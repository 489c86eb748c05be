"""The words that the world of the embedded tools knows: its cities, people, goods.

Requests are made of them, and so are the tools' results. What the tools do is in `facts` and `actions`; how people
phrase a request is in `data.sources.catalogue`.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CITIES = _words(
    "Paris London Berlin Madrid Rome Vienna Oslo Dublin Prague Lisbon Athens Warsaw Budapest Helsinki Brussels Zurich "
    "Geneva Munich Hamburg Milan Naples Turin Porto Seville Valencia Lyon Nice Bordeaux Tokyo Osaka Kyoto Seoul Busan "
    "Delhi Mumbai Chennai Jakarta Manila Hanoi Bangkok Sydney Perth Brisbane Auckland Toronto Montreal Vancouver "
    "Boston Chicago Denver Seattle Austin Dallas Miami Lima Bogota Quito Santiago Nairobi Cairo Lagos Accra Tunis Dakar"
)
NAMES = _words(
    "Alice Bob Carol David Emma Frank Grace Henry Irene Jack Karen Leo Maria Nina Oscar Paula Quentin Rosa Simon Tara "
    "Ursula Victor Wendy Xavier Yara Zoe Ahmed Beatriz Chen Dmitri Elena Fatima Gustav Hana Ivan Jana Kenji Lars Mei "
    "Noor Olga Pedro Priya Rahul Sofia Tomas Uma Vera Walid Yusuf"
)
GOODS = _words(
    "lamp chair table sofa mirror carpet kettle toaster blender camera laptop tablet phone printer monitor keyboard "
    "speaker kayak backpack suitcase umbrella jacket sweater scarf hammock ladder bicycle helmet tent guitar piano "
    "violin notebook pencil candle vase clock wallet"
)
TOPICS = _words(
    "physics chemistry biology history geography painting poetry sculpture gardening cooking chess football tennis "
    "cycling sailing robotics astronomy medicine economics philosophy architecture photography linguistics music"
)
DISHES = _words("pizza sushi ramen curry tacos burger salad pasta paella falafel noodles dumplings kebab risotto")
GENRES = _words("jazz rock blues folk techno opera soul metal reggae disco")
CURRENCIES = _words("USD EUR GBP JPY CHF CAD AUD SEK NOK INR BRL MXN")
TICKERS = _words("AAPL MSFT NVDA TSLA AMZN INTC ORCL SAP IBM AMD NFLX SHEL")
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _words("January February March April May June July August September October November December")
LANGUAGES = _words("French German Spanish Italian Dutch Polish Swedish Turkish Arabic Hindi Korean Japanese")
ROOMS = _words("kitchen bedroom bathroom garage office attic cellar hallway balcony library")
LENGTHS = _words("metres feet inches yards miles kilometres")
SHAPES = _words("circle square triangle hexagon cube sphere cone cylinder")

WORDS: dict[str, tuple[str, ...]] = {
    "city": CITIES,
    "name": NAMES,
    "goods": GOODS,
    "topic": TOPICS,
    "dish": DISHES,
    "genre": GENRES,
    "currency": CURRENCIES,
    "ticker": TICKERS,
    "day": DAYS,
    "language": LANGUAGES,
    "room": ROOMS,
    "length": LENGTHS,
    "shape": SHAPES,
    "temperature": ("celsius", "fahrenheit"),
    "cabin": ("economy", "business", "first"),
    "order": ("price", "rating", "date"),
    "colour": ("red", "blue", "green", "yellow", "white", "purple", "orange"),
}
