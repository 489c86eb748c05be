"""Settings of the vLLM server that evaluation and load test start. The deployed engine's own are in `release`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fc_assets.profiles.sections import Count, Positive, Section, Share


class ServerSettings(Section):
    """The vLLM server that evaluation and the benchmark start."""

    api_url: str = Field(
        "",
        description="Use this OpenAI-compatible server instead of starting one; key: $FC_API_KEY. The name of each "
        "model must end with a hyphen and the first 16 digits of its digest.",
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(0, description="Port on 127.0.0.1; 0 takes any free one.")
    device: Literal["cpu", "cuda"] = "cuda"
    dtype: str = "bfloat16"
    max_model_len: Positive = 8192
    max_num_seqs: Positive = 64
    max_num_batched_tokens: Positive = 8192
    prefix_caching: bool = Field(True, description="Keep the KV cache of prompts that may begin alike.")
    ngram_tokens: Count = Field(
        0,
        description=(
            "Speculative decoding by n-grams: so many tokens at a time are guessed from where the prompt has the same "
            "words, as the names and values of a tool call are there; 0 turns it off."
        ),
    )
    enforce_eager: bool = False
    gpu_memory_share: Share = 0.85
    kv_cache_gib: Positive = Field(4, description="KV cache on CPU, GiB.")
    threads: Annotated[int, Field(ge=0)] = Field(
        0, description="Threads that compute on CPU; 0: one a physical core, in the stack one for each of its `cpus`."
    )
    tool_call_parser: str = "hermes"
    start_timeout_s: Positive = 600
