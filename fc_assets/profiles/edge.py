"""Settings of the edge room: which GGUF files are made, and how they are measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fc_assets.profiles.sections import Count, Positive, Section, Share


class EdgeSettings(Section):
    """`gguf_artifacts` and `edge_report`."""

    quantisations: tuple[Literal["Q8_0", "Q4_K_M"], ...] = Field(
        ("Q8_0", "Q4_K_M"), min_length=1, description="Files to write beside F16, which they are compared with."
    )
    rows: Positive = Field(
        700,
        description="Validation turns asked of each file for the quality kept. Some 700 show that no more than "
        "0.03 is lost where one answer in ten changes, or 0.01 where one in sixty does.",
    )
    compared_tokens: Count = Field(
        200, description="Places in F16's answers at which every file's next token is compared; 0 compares none."
    )
    max_tokens: Positive = Field(256, description="Most tokens of an answer.")
    context: Positive = Field(2048, description="Tokens of prompt and answer; longer turns are passed over.")
    threads: Positive = Field(4, description="No more than idle cores: llama.cpp's threads wait for the slowest.")
    min_same_ids: Share = Field(0.99, description="Prompts that llama.cpp must tokenise as the checkpoint does.")
