"""Settings of the data room: where rows come from, how they are read, which of them become conversations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fc_assets.profiles.sections import Count, Positive, Section, Share

Rows = Annotated[int, Field(ge=0, le=10_000_000)]
"""The generator makes some thousand rows a second: more than this would take hours, and no disk holds 10^20."""


class CurationSettings(Section):
    """Which rows of the normalised table become conversations. Exact duplicates never do."""

    near_duplicates: Literal["keep", "flag", "drop"] = Field(
        "flag", description="Rows whose query nearly repeats an earlier one (MinHash); they share a side of the split."
    )
    near_duplicate_similarity: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9, description="Least Jaccard similarity of two rows' word triples to be near-duplicates."
    )
    bfcl: Literal["keep", "flag", "drop"] = Field(
        "drop", description="Rows that repeat a question of the Berkeley Function Calling Leaderboard."
    )
    gold: Literal["keep", "coerce", "drop"] = Field(
        "coerce", description="Expected calls that do not earn all four rewards: `coerce` mends values of another type."
    )
    masked_share: Share = Field(0.0, description="Share of rows whose function and parameter names are replaced.")
    observations: bool = Field(False, description="Append the stubs' results to single-turn rows that expect a call.")


class HermesSettings(Section):
    """A second source of rows: conversations with `<tools>` and `<tool_call>` in the text, single and multi-turn."""

    weight: Annotated[float, Field(ge=0)] = Field(0.0, description="Rows for each row of the first source; 0: none.")
    path: str = Field("", description="Local file or folder of such conversations; empty: from the hub.")
    dataset: str = Field("NousResearch/hermes-function-calling-v1", description="Hub data set, Apache-2.0.")
    revision: str = Field("main", description="Hub revision: pin a commit for a reproducible run.")
    configs: tuple[str, ...] = Field(
        ("func_calling_singleturn", "func_calling"), description="Configurations of the hub data set that are read."
    )


class EpisodeSettings(Section):
    """Conversations of several turns with the embedded tools, which run: search, ask, repair, calls in order."""

    weight: Annotated[float, Field(ge=0)] = Field(0.0, description="Conversations for each row before them; 0: none.")
    chinese_share: Share = Field(0.5, description="Share of the conversations that are in Chinese, else in English.")


class ParaphraseSettings(Section):
    """Questions about own tools in other words, by a model; its key is in $FC_PARAPHRASE_KEY."""

    api_url: str = Field("", description="An OpenAI-compatible server, such as a local vLLM; empty: no paraphrases.")
    model: str = Field("", description="The model's name there.")
    share: Share = Field(0.3, description="Share of the training questions with calls that are said in other words.")
    most: Count = Field(1000, description="Most questions that are said in other words.")
    timeout_s: Positive = Field(30, description="For each answer, seconds.")


class OwnToolsSettings(Section):
    """Rows made for a user's own tools from nothing but their schemas; docs/own-tools.md shows how."""

    weight: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Rows for each row before them; 0: none, unless `data.source` is `tools`."
    )
    path: str = Field("", description="The tools: a JSON file with OpenAI's list, xLAM's, or MCP's `tools/list`.")
    mcp: str = Field(
        "",
        description="In place of a file an MCP server that lists the tools: its URL, or the command that starts it. "
        "It is asked whenever the rows are made; write no secret into it.",
    )
    mcp_variables: tuple[str, ...] = Field(
        (), description="Names of variables of the environment that the server's process is given, such as its key's."
    )
    mcp_timeout_s: Positive = Field(30, description="Until the server is ready, and for each of its answers; seconds.")
    held_out_tools: Share = Field(
        0.2, description="Share of the tools that training never sees, one at least; 0: none, and no gate on them."
    )
    chinese_share: Share = Field(0.1, description="Share of the rows that are in Chinese, else in English.")
    most_offered: Positive = Field(4, description="Most tools that a row offers, those that it needs included.")
    paraphrase: ParaphraseSettings = ParaphraseSettings()


class DataSettings(Section):
    """`xlam_raw` and `sharegpt_splits`."""

    source: Literal["generator", "hub", "file", "tools"] = Field(
        "hub",
        description="Where the first rows come from: the embedded generator, the hub, a file of your own; `tools`: "
        "made for the tools of section `own_tools`.",
    )
    dataset: str = Field("Salesforce/xlam-function-calling-60k", description="Hub data set; gated, CC-BY-4.0.")
    revision: str = Field("main", description="Hub revision: pin a commit for a reproducible run.")
    path: str = Field(
        "",
        description="For source `file`: xLAM's form as .json, .jsonl (also .gz, .zst), .parquet; or a folder. "
        "For source `tools`: the file of tools, unless `own_tools` names one.",
    )
    licence: str = Field("unknown", description="Licence of the rows of source `file`.")
    rows: Rows = Field(0, description="How many rows to make (`generator`, `tools`) or to keep (else; 0 keeps all).")
    broken_rows: Rows = Field(0, description="Malformed rows that the generator adds, to show the quarantine.")
    irrelevance_share: Share = Field(0.1, description="Share of rows whose tools cannot answer the query.")
    max_reject_share: Share = Field(0.01, description="More rejected rows than this fail the step.")
    required_policy: Literal["unless_optional_or_default", "all", "none"] = Field(
        "unless_optional_or_default", description="Which flat parameters are required where their tool does not say."
    )
    hermes: HermesSettings = HermesSettings()
    episodes: EpisodeSettings = EpisodeSettings()
    own_tools: OwnToolsSettings = OwnToolsSettings()
    curation: CurationSettings = CurationSettings()
    validation_share: Share = Field(0.1, description="Share of the rows that are kept for the evaluation.")
    seed: int = Field(42, description="Seed of the generator, of the irrelevance rows and of the split.")

    @property
    def has_own_tools(self) -> bool:
        """Whether rows are made for a user's own tools."""
        return self.source == "tools" or self.own_tools.weight > 0
