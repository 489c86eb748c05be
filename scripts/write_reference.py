"""Writes the tables of docs/reference.md, docs/reference/ and docs/metrics.md anew: `make docs`.

Those of the graph come from the definitions of the demo profile, the one of degenerate policies from the rewards
themselves, and those of profiles and commands from `scripts.reference_pages`.

A table stands in a page between `<!-- table: NAME -->` and `<!-- /table -->`; what is around it is written by hand.
"""

import re
from collections.abc import Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from fc_assets.definitions import build_defs
from fc_assets.profiles import SECTIONS, load_profile
from scripts.degenerate_policies import HEADING, policy_rows
from scripts.reference_pages import command_helps, profile_sections

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("docs/reference.md", "docs/metrics.md", "docs/reference/profiles.md", "docs/reference/cli.md")
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)
ESCAPED_BAR = r"\|"
WHOLE_GRAPH = "__ASSET_JOB"  # Dagster's own job, behind the page's button "Materialize all"


def main() -> None:
    made = tables()
    for page in PAGES:
        file = ROOT / page
        file.write_text(renewed(file.read_text(encoding="utf-8"), made), encoding="utf-8")


def renewed(page: str, made: dict[str, str]) -> str:
    """The page with each of its tables replaced by the one of that name in `made`."""

    def replacement(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        if name not in made:
            raise SystemExit(f"error: there is no table {name!r}; those that can be written are {', '.join(made)}")
        return begin + made[name] + end

    return TABLE.sub(replacement, page)


def tables() -> dict[str, str]:
    """Every table by its name, as Markdown."""
    definitions = build_defs(load_profile("demo"))
    graph, repository = definitions.resolve_asset_graph(), definitions.get_repository_def()
    nodes = {node.key.to_user_string(): node for node in graph.asset_nodes}
    ordered = [nodes[name] for name in SECTIONS if name in nodes]  # in the order of the graph, without its arms
    return {
        "assets": table(("asset", "group", "what it is", "made from", "sections"), map(asset_row, ordered)),
        "checks": table(("asset", "check", "blocks", "what it asks"), check_rows(ordered, graph)),
        "automation": table(
            ("name", "kind", "when", "at the start", "what it does"),
            [*map(sensor_row, by_name(repository.sensor_defs)), *map(schedule_row, by_name(repository.schedule_defs))],
        ),
        "jobs": table(
            ("job", "what it does"),
            [
                (code(job.name), job.description)
                for job in by_name(repository.get_all_jobs())
                if job.name != WHOLE_GRAPH
            ],
        ),
        "degenerate_policies": table(HEADING, policy_rows()),
        "profile_fields": profile_sections(table),
        "command_helps": command_helps(),
    }


def asset_row(node: Any) -> Sequence[str]:
    name = node.key.to_user_string()
    parents = {key.to_user_string() for key in node.parent_keys}
    made_from = [parent for parent in SECTIONS if parent in parents]
    return code(name), node.group_name, first_sentence(node.description), codes(made_from), codes(SECTIONS[name])


def check_rows(nodes: Iterable[Any], graph: Any) -> list[Sequence[str]]:
    rows = []
    for node in nodes:
        specs = (graph.get_check_spec(key) for key in graph.asset_check_keys if key.asset_key == node.key)
        for spec in by_name(specs):
            blocks = "yes" if spec.blocking else "no"
            rows.append((code(node.key.to_user_string()), code(spec.name), blocks, spec.description))
    return rows


def sensor_row(sensor: Any) -> Sequence[str]:
    when = f"wakes every {sensor.minimum_interval_seconds} s"
    return code(sensor.name), "sensor", when, on_or_off(sensor), sensor.description


def schedule_row(schedule: Any) -> Sequence[str]:
    when = f"{code(schedule.cron_schedule)} {schedule.execution_timezone}"
    return code(schedule.name), "schedule", when, on_or_off(schedule), schedule.description


def on_or_off(definition: Any) -> str:
    return "on" if definition.default_status.name == "RUNNING" else "off"


def by_name(definitions: Iterable[Any]) -> list[Any]:
    return sorted(definitions, key=attrgetter("name"))


def first_sentence(text: str) -> str:
    return re.split(r"(?<=\.) (?=[A-Z])", text, maxsplit=1)[0]


def code(text: str) -> str:
    return f"`{text}`"


def codes(texts: Iterable[str]) -> str:
    return ", ".join(map(code, texts)) or "-"


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', ESCAPED_BAR) for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
