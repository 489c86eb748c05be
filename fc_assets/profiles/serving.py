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
    device: Literal["cpu", "cuda"] = Field("cuda", description="What the server computes on.")
    dtype: str = Field("bfloat16", description="Number format of weights and activations, as vLLM names it.")
    max_model_len: Positive = Field(8192, description="Most tokens of a prompt and its answer together.")
    max_num_seqs: Positive = Field(64, description="Most sequences that are computed together.")
    max_num_batched_tokens: Positive = Field(8192, description="Most tokens of one step, prompts and answers together.")
    prefix_caching: bool = Field(True, description="Keep the KV cache of prompts that may begin alike.")
    ngram_tokens: Count = Field(
        0,
        description=(
            "Speculative decoding by n-grams: so many tokens at a time are guessed from where the prompt has the same "
            "words, as the names and values of a tool call are there; 0 turns it off."
        ),
    )
    enforce_eager: bool = Field(False, description="Start without compiling: sooner there, slower afterwards.")
    gpu_memory_share: Share = Field(0.85, description="Share of the card's memory that the server takes.")
    kv_cache_gib: Positive = Field(4, description="KV cache on CPU, GiB.")
    threads: Annotated[int, Field(ge=0)] = Field(
        0, description="Threads that compute on CPU; 0: one a physical core, in the stack one for each of its `cpus`."
    )
    tool_call_parser: str = Field("hermes", description="vLLM's parser that makes tool calls of the model's text.")
    start_timeout_s: Positive = Field(600, description="Longest wait for the server to be ready, seconds.")
