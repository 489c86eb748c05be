"""Which rows a profile asks for: the embedded generator, the hub, or local files; each as a `Source`.

The hub's rows arrive here as a Parquet file that `fc_assets.data.sources.hub_job` downloaded in a process of its own, so that this
module needs no network and no `datasets`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fc_assets.data.raw_table import Source
from fc_assets.data.sources.files import RawRow, read_files
from fc_assets.data.sources.generator import generate_rows
from fc_assets.data.sources.hermes import read_hermes_row
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import DataSettings

GENERATOR_LICENCE = "MIT"
XLAM_LICENCE = "CC-BY-4.0"
HERMES_LICENCE = "Apache-2.0"


def sources(settings: DataSettings, downloaded: Mapping[str, Path]) -> list[Source]:
    """The sources that `settings` name, in order. `downloaded` maps each hub data set to its Parquet file."""
    found = [_first(settings, downloaded)]
    if settings.hermes.weight > 0:
        path = Path(settings.hermes.path) if settings.hermes.path else downloaded[settings.hermes.dataset]
        rows = read_files(path)
        found.append(Source("hermes", HERMES_LICENCE, rows, read_hermes_row, weight=settings.hermes.weight))
    return found


def _first(settings: DataSettings, downloaded: Mapping[str, Path]) -> Source:
    match settings.source:
        case "generator":
            made = generate_rows(
                settings.rows,
                settings.seed,
                broken_rows=settings.broken_rows,
                irrelevance_share=settings.irrelevance_share,
            )
            return Source("generator", GENERATOR_LICENCE, _numbered(made))
        case "hub":
            return Source("xlam", XLAM_LICENCE, read_files(downloaded[settings.dataset]), limit=settings.rows)
        case "file":
            if not settings.path:
                raise FcAssetsError("data.source is `file` but data.path is empty; set it to a file or folder of rows")
            return Source("file", settings.licence, read_files(Path(settings.path)), limit=settings.rows)


def hub_datasets(settings: DataSettings) -> list[dict[str, Any]]:
    """The hub data sets to download first: {"dataset", "revision", "configs"}."""
    wanted: list[dict[str, Any]] = []
    if settings.source == "hub":
        wanted.append({"dataset": settings.dataset, "revision": settings.revision, "configs": []})
    hermes = settings.hermes
    if hermes.weight > 0 and not hermes.path:
        wanted.append({"dataset": hermes.dataset, "revision": hermes.revision, "configs": list(hermes.configs)})
    return wanted


def _numbered(rows: Iterable[object]) -> Iterator[RawRow]:
    for number, row in enumerate(rows, 1):
        yield RawRow("", number, row)
