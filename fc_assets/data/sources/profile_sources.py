"""The sources that a profile names: the embedded generator, the hub or local files, and conversations beside them.

The hub's rows arrive as a Parquet file that `hub_job` has downloaded in a process of its own, so that this module needs
no network and no `datasets`. How the rows of a source become the raw table is in `fc_assets.data.raw_table`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fc_assets.data.jobs import HubDataset
from fc_assets.data.sources.episodes import generate_episodes, hermes_row
from fc_assets.data.sources.files import read_files
from fc_assets.data.sources.generator import generate_rows
from fc_assets.data.sources.hermes import read_hermes_row
from fc_assets.data.sources.row_source import RawRow, RowSource
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import DataSettings

GENERATOR_LICENCE = "MIT"
XLAM_LICENCE = "CC-BY-4.0"
HERMES_LICENCE = "Apache-2.0"


def hub_datasets(settings: DataSettings, folder: Path) -> list[HubDataset]:
    """The hub data sets to download into `folder` before `row_sources` can read them; often none."""
    found = []
    if settings.source == "hub":
        found.append(HubDataset(name=settings.dataset, revision=settings.revision, file=folder / "hub-0.parquet"))
    hermes = settings.hermes
    if hermes.weight > 0 and not hermes.path:
        file = folder / f"hub-{len(found)}.parquet"
        found.append(HubDataset(name=hermes.dataset, revision=hermes.revision, configs=hermes.configs, file=file))
    return found


def row_sources(settings: DataSettings, downloaded: Sequence[HubDataset]) -> list[RowSource]:
    """The sources that `settings` name, in order. Raises `FcAssetsError` for local files without a path."""
    files = {dataset.name: dataset.file for dataset in downloaded}
    found = [_main_source(settings, files)]
    hermes = settings.hermes
    if hermes.weight > 0:
        path = Path(hermes.path) if hermes.path else files[hermes.dataset]
        rows = read_files(path)
        found.append(RowSource("hermes", HERMES_LICENCE, rows, read_hermes_row, weight=hermes.weight, root=path))
    episodes = settings.episodes
    if episodes.weight > 0:
        made = map(hermes_row, generate_episodes(settings.seed, episodes.chinese_share, held_out=False))
        found.append(RowSource("episodes", GENERATOR_LICENCE, _numbered(made), read_hermes_row, weight=episodes.weight))
    return found


def _main_source(settings: DataSettings, files: dict[str, Path]) -> RowSource:
    match settings.source:
        case "generator":
            made = generate_rows(
                settings.rows,
                settings.seed,
                broken_rows=settings.broken_rows,
                irrelevance_share=settings.irrelevance_share,
            )
            return RowSource("generator", GENERATOR_LICENCE, _numbered(made))
        case "hub":
            file = files[settings.dataset]
            return RowSource("xlam", XLAM_LICENCE, read_files(file), limit=settings.rows, root=file)
        case "file":
            if not settings.path:
                raise FcAssetsError("data.source is `file` but data.path is empty; set it to a file or folder of rows")
            path = Path(settings.path)
            return RowSource("file", settings.licence, read_files(path), limit=settings.rows, root=path)


def _numbered(rows: Iterable[object]) -> Iterator[RawRow]:
    for number, row in enumerate(rows, 1):
        yield RawRow("", number, row)
