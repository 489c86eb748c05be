"""Settings of the load test, and what users are promised."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fc_assets.profiles.sections import Count, Cron, Positive, Section, Share, TimeZone


class ServiceLevel(Section):
    """What users are promised; goodput counts the requests that meet it."""

    ttft_p95_s: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Most seconds to the first token, 95th percentile."
    )
    tpot_p95_s: Annotated[float, Field(gt=0)] = Field(
        0.05, description="Most seconds for each further token, 95th percentile."
    )
    at_concurrency: Positive = Field(16, description="Requests under way at which the promise is checked.")


class BenchmarkSettings(Section):
    """`benchmark_matrix` and `serving_recommendation`."""

    mode: Literal["quick", "full"] = Field("quick", description="The few cells of `quick_*`, or the whole matrix.")
    concurrency: tuple[Positive, ...] = Field((1, 2, 4, 8, 16, 32), description="Requests under way in a closed load.")
    context_lengths: tuple[Positive, ...] = Field((256, 1024, 2048, 4096), description="Prompt tokens, exactly.")
    quick_concurrency: tuple[Positive, ...] = Field((1, 8, 16), description="Requests under way in `quick`.")
    quick_context_lengths: tuple[Positive, ...] = Field((256, 2048), description="Prompt tokens in `quick`.")
    request_rates: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (1.0, 4.0, 16.0), description="Requests a second of the open (Poisson) loads, at the shortest context length."
    )
    output_tokens: Annotated[int, Field(ge=2)] = Field(128, description="Tokens of an answer, on average over a cell.")
    output_spread: Annotated[float, Field(ge=0, le=0.9)] = Field(
        0.5,
        description=(
            "Answers have from (1 - this) to (1 + this) x `output_tokens`; with 0 all are equal, and the workers of a "
            "closed load march in step."
        ),
    )
    tool_call_tokens: Count = Field(
        256, description="Tokens at most of an answer in the tool-call loads; 0 leaves these loads out."
    )
    idle_answers: Count = Field(
        32,
        description=(
            "Questions of each load of conversations that are asked again when it is over, one at a time: an answer "
            "under load is compared with the idle server's; 0 leaves that out."
        ),
    )
    min_as_idle: Share = Field(
        0.9, description="Least share of these answers that must be the idle server's, to the letter."
    )
    session_reuse: tuple[Share, ...] = Field(
        (0.0, 1.0),
        description=(
            "Shares of the sessions that begin with the same system prompt and tools, which a prefix cache can reuse; "
            "a load of sessions for each in `full`."
        ),
    )
    tool_wait_s: Annotated[float, Field(ge=0)] = Field(
        0.5, description="Seconds on average (log-normal) for which a session waits for a tool."
    )
    cancel_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3,
        description="Share of the requests that the client cancels, in a load of its own in `full`; 0: no such load.",
    )
    cancel_after_s: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Seconds after which it cancels; 0: after 1 to half of `output_tokens` events, drawn for each."
    )
    requests_per_cell: Positive = Field(64, description="Measured requests of a cell, at least 4 x its concurrency.")
    warmup_requests: Count = Field(8, description="Requests thrown away before, at least one for each under way.")
    request_timeout_s: Positive = Field(120, description="Longest wait for one answer, seconds.")
    capacity_seconds: Count = Field(
        120,
        description=(
            "Seconds at most of each search for the highest load that keeps the SLO, at the longest context: closed "
            "loads always, open ones in `full`; 0 leaves the searches out."
        ),
    )
    sweep_max_num_seqs: tuple[Positive, ...] = Field(
        (16, 32, 64), description="Server settings tried in `full` for the recommendation; each starts a server."
    )
    sweep_max_num_batched_tokens: tuple[Positive, ...] = Field(
        (2048, 8192), description="Tokens of one step tried in `full`, with each of the above."
    )
    sweep_no_prefix_caching: bool = Field(
        True, description="Whether the best of these pairs is tried without prefix caching, too."
    )
    sweep_ngram_tokens: tuple[Positive, ...] = Field(
        (4,), description="Values of `server.ngram_tokens` that are tried with the best pair; empty: none."
    )
    slo: ServiceLevel = ServiceLevel()
    regression_margin: Share = Field(0.1, description="How much slower than the last good measurement is tolerated.")
    quick_cron: Cron = Field("0 2 * * *", description="When the quick benchmark is scheduled.")
    full_cron: Cron = Field("0 3 * * 0", description="When the full benchmark is scheduled.")
    schedules_on: bool = Field(
        False,
        description="Whether both schedules run from the start; then a matrix older than a day and a half is overdue.",
    )
    timezone: TimeZone = Field("UTC", description="Time zone of both schedules.")
    seed: int = Field(42, description="Seed of prompts, lengths and arrival times.")
