"""The sources that a profile names: the generator, the hub, local files or own tools; and what is mixed with them.

The hub's rows arrive as a Parquet file that `hub_job` has downloaded in a process of its own, so that this module needs
no network and no `datasets`. How the rows of a source become the raw table is in `fc_assets.data.raw_table`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fc_assets.data.jobs import HubDataset, ListToolsJob
from fc_assets.data.sources.episodes import generate_episodes, hermes_row
from fc_assets.data.sources.files import read_files
from fc_assets.data.sources.generator import generate_rows
from fc_assets.data.sources.hermes import read_hermes_row
from fc_assets.data.sources.own_tools.paraphrase import Paraphraser
from fc_assets.data.sources.own_tools.rows import RowMaker, read_own_row
from fc_assets.data.sources.own_tools.tool_list import read_own_tools
from fc_assets.data.sources.row_source import RawRow, RowSource
from fc_assets.errors import FcAssetsError
from fc_assets.names import OWN_TOOLS_FILE, PARAPHRASES
from fc_assets.profiles import DataSettings

GENERATOR_LICENCE = "MIT"
XLAM_LICENCE = "CC-BY-4.0"
HERMES_LICENCE = "Apache-2.0"
OWN_TOOLS_SOURCE = "own_tools"
_HELD_OUT_OF_VALIDATION = 0.8
"""Rows for own tools that are held out, by those for validation: all of them come into that split."""


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


def row_sources(
    settings: DataSettings,
    downloaded: Sequence[HubDataset],
    own_tools: Path | None = None,
    paraphraser: Paraphraser | None = None,
) -> list[RowSource]:
    """The sources that `settings` name, in order; `own_tools` is the file of a user's own tools.

    Raises `FcAssetsError` for local files without a path, and for tools that cannot be used.
    """
    files = {dataset.name: dataset.file for dataset in downloaded}
    found = [_main_source(settings, files, own_tools, paraphraser)]
    hermes = settings.hermes
    if hermes.weight > 0:
        path = Path(hermes.path) if hermes.path else files[hermes.dataset]
        rows = read_files(path)
        found.append(RowSource("hermes", HERMES_LICENCE, rows, read_hermes_row, weight=hermes.weight, root=path))
    episodes = settings.episodes
    if episodes.weight > 0:
        made = map(hermes_row, generate_episodes(settings.seed, episodes.chinese_share, held_out=False))
        found.append(RowSource("episodes", GENERATOR_LICENCE, _numbered(made), read_hermes_row, weight=episodes.weight))
    if settings.source != "tools" and settings.own_tools.weight > 0:
        found.append(_own_tools(settings, own_tools, paraphraser, weight=settings.own_tools.weight))
    return found


def _own_tools(
    settings: DataSettings, file: Path | None, paraphraser: Paraphraser | None, *, weight: float = 0.0
) -> RowSource:
    """Rows made for the tools in `file`; of them so many are held out that validation has room for others too."""
    if file is None:
        raise FcAssetsError("data.own_tools names no tools; set data.own_tools.path to their file, or mcp to a server")
    if not weight and not settings.rows:
        raise FcAssetsError("data.source is `tools` but no end of rows is said; set data.rows to how many to make")
    own = settings.own_tools
    tools = read_own_tools(file, policy=settings.required_policy, held_out_share=own.held_out_tools, seed=settings.seed)
    maker = RowMaker(
        tools,
        settings.seed,
        held_out_share=_HELD_OUT_OF_VALIDATION * settings.validation_share,
        chinese_share=own.chinese_share,
        most_offered=own.most_offered,
        paraphraser=paraphraser,
    )
    made = maker.rows()
    limit = 0 if weight else settings.rows + len(maker.refused)
    return RowSource(OWN_TOOLS_SOURCE, settings.licence, made, read_own_row, limit=limit, weight=weight, root=file)


def own_tools_job(settings: DataSettings, out: Path) -> ListToolsJob | None:
    """The job that asks an MCP server for the own tools, if the settings name one. Raises `FcAssetsError` for two."""
    own = settings.own_tools
    if not settings.has_own_tools or not own.mcp:
        return None
    if own.path:
        raise FcAssetsError("data.own_tools names both a file (path) and a server (mcp); empty one of the two")
    return ListToolsJob(
        server=own.mcp, variables=own.mcp_variables, timeout_s=own.mcp_timeout_s, file=out / OWN_TOOLS_FILE
    )


def paraphraser_of(settings: DataSettings, home: Path) -> Paraphraser | None:
    """What says questions in other words, if the settings name a server for it; its answers are kept below `home`."""
    wanted = settings.own_tools.paraphrase
    return Paraphraser(wanted, home / PARAPHRASES) if settings.has_own_tools and wanted.api_url else None


def own_tools_file(settings: DataSettings, out: Path) -> Path | None:
    """The file of own tools in the folder `out`, a record of what was used; None where the settings name none.

    It is a copy of the file that the settings name, or what `own_tools_job` has written there.
    """
    path = settings.own_tools.path or (settings.path if settings.source == "tools" else "")
    if not settings.has_own_tools or not (path or settings.own_tools.mcp):
        return None
    if settings.own_tools.mcp:
        return out / OWN_TOOLS_FILE
    try:
        return Path(shutil.copyfile(path, out / OWN_TOOLS_FILE))
    except OSError as error:
        raise FcAssetsError(f"The tools in {path} cannot be read ({error.strerror}); correct the path") from error


def _main_source(
    settings: DataSettings, files: dict[str, Path], own_tools: Path | None, paraphraser: Paraphraser | None
) -> RowSource:
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
        case "tools":
            return _own_tools(settings, own_tools, paraphraser)


def _numbered(rows: Iterable[object]) -> Iterator[RawRow]:
    for number, row in enumerate(rows, 1):
        yield RawRow("", number, row)
