"""What goes beside the GGUF files so that people can run them: a README, and Ollama's Modelfile; both from `templates`.

The Modelfile's TEMPLATE is Qwen3's tool prompt in Ollama's template language (Go's text/template), with thinking off as
the policy was trained. llama.cpp needs none of this: it uses the chat template inside the files, and so does Ollama
since 0.30. Both say how to sample where a client does not: greedily, with neither Ollama's nor llama.cpp's own cut-offs
and penalties.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fc_assets.edge.gguf_files import SOURCE_DIGEST_KEY, GgufFile, GgufType
from fc_assets.foundation.presentation.templates import render_template
from fc_assets.names import GGUF_README, MODELFILE

_PREFERRED: tuple[GgufType, ...] = ("Q4_K_M", "Q8_0", "F16")  # smallest first: an edge device wants that one

_TEMPLATES = Path(__file__).parent / "templates"


def modelfile(files: Sequence[GgufFile], context: int) -> str:
    """The Modelfile for the smallest of `files`, answering greedily within `context` tokens."""
    return render_template(_TEMPLATES / f"{MODELFILE}.j2", file=_smallest(files).file, context=context)


def readme(files: Sequence[GgufFile], *, name: str, source_digest: str, context: int) -> str:
    """How to run the files with llama.cpp and with Ollama, in Markdown."""
    return render_template(
        _TEMPLATES / f"{GGUF_README}.j2",
        files=files,
        name=name,
        source_digest=source_digest,
        digest_key=SOURCE_DIGEST_KEY,
        smallest=_smallest(files).file,
        context=context,
    )


def _smallest(files: Sequence[GgufFile]) -> GgufFile:
    by_kind = {file.kind: file for file in files}
    return next(by_kind[kind] for kind in _PREFERRED if kind in by_kind)
