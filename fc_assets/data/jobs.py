"""The jobs of this room that run in a process of their own, and their results. The `_job` modules do the work."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from fc_assets.foundation.child_processes.jobs import Job, JobResult
from fc_assets.profiles import BaseModelSettings


class _Part(BaseModel):
    """Base of what jobs and results are made of."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class HubDataset(_Part):
    """A data set of the hub, and the Parquet file that its training rows go into."""

    name: str
    """As the hub has it: owner/name."""
    revision: str
    configs: tuple[str, ...] = ()
    """Their rows follow one another; none means the data set's default configuration."""
    file: Path


class HubDownloadResult(JobResult):
    """How many rows each data set has, by its name."""

    rows: dict[str, int]


class HubDownloadJob(Job[HubDownloadResult]):
    """Download data sets of the hub; each becomes one Parquet file."""

    module: ClassVar[str] = "fc_assets.data.sources.hub_job"

    datasets: tuple[HubDataset, ...]


class ListToolsResult(JobResult):
    """How many tools the server lists."""

    tools: int


class ListToolsJob(Job[ListToolsResult]):
    """Ask an MCP server for its tools, and write them to a file as `tools/list` returns them."""

    module: ClassVar[str] = "fc_assets.data.sources.own_tools.list_tools_job"

    server: str
    """Its URL, or the command that starts it."""
    variables: tuple[str, ...]
    timeout_s: float
    file: Path


class SplitToMeasure(_Part):
    """A ShareGPT file, and how many rows it has."""

    file: Path
    rows: int


class LongTurn(_Part):
    """A turn, and its tokens."""

    id: str
    tokens: int


class SplitTokens(_Part):
    """How long the turns of one split are, in tokens, prompt and answer together."""

    turns: int
    longest: tuple[LongTurn, ...]
    """Of all turns, the longest first."""
    lengths: tuple[int, ...]
    """Of an even sample of the turns."""

    @property
    def mean(self) -> float:
        """Mean length of the sampled turns."""
        return sum(self.lengths) / len(self.lengths)


class TokenLengthsResult(JobResult):
    """The lengths in each split, by its name."""

    splits: dict[str, SplitTokens]


class TokenLengthsJob(Job[TokenLengthsResult]):
    """Count the tokens of the splits' rows with the tokenizer and chat template of `base_model`."""

    module: ClassVar[str] = "fc_assets.data.token_lengths_job"

    base_model: BaseModelSettings
    splits: dict[str, SplitToMeasure]
