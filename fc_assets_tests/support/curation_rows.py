"""Examples to curate, generated ones and bookings of a table whose calls can be spoilt; and all stages run on them."""

from collections.abc import Sequence

from fc_assets.data.curation.curate import CuratedExample, CurationReport, curate
from fc_assets.data.curation.irrelevance import IrrelevanceMaker
from fc_assets.data.rows.normalise import Example, normalise_row
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.profiles import CurationSettings

READER = ToolReader()
EXAMPLES = [normalise_row(row, READER, source="test") for row in generate_rows(400, 9, irrelevance_share=0.0)]
TOOL = {
    "name": "book_table",
    "parameters": {
        "place": {"type": "str"},
        "people": {"type": "int"},
        "tags": {"type": "List[str]", "default": "[]"},
        "kind": {"type": "Literal['in', 'out']", "default": "in"},
    },
}
GOOD = {"place": "Rome", "people": 2}
"""Arguments that `TOOL` takes."""


def booking(row_id: str, query: str, arguments: dict[str, object] | None = None) -> Example:
    """An example that offers `TOOL` and expects one call of it, or none without `arguments`."""
    calls = [] if arguments is None else [{"name": TOOL["name"], "arguments": arguments}]
    return normalise_row({"id": row_id, "query": query, "answers": calls, "tools": [TOOL]}, READER)


def curated_rows(
    examples: Sequence[Example], questions: Sequence[str] = (), rate: float = 0.0, **settings: object
) -> tuple[list[CuratedExample], CurationReport]:
    """What curation makes of `examples` under these settings, and its report."""
    report = CurationReport()
    chosen = CurationSettings.model_validate(settings)
    maker = IrrelevanceMaker(rate, 42)
    return list(curate(examples, chosen, report, bfcl_questions=questions, irrelevance=maker)), report
