"""GGUF files beside llama.cpp's own: `python -m benchmarks.gguf_convert --llama-cpp SOURCE --libllama FILE`.

SOURCE is a folder of llama.cpp's source (`convert_hf_to_gguf.py` and `conversion/`), FILE a compiled `libllama` with
`libggml` beside it. llama.cpp converts the checkpoint to F16 and quantises that to Q8_0 and Q4_K_M; this project writes
the three files from the checkpoint. Compared tensor by tensor: name, type, and the sha256 of the packed bytes.

Two checkpoints: one of Qwen3-0.6B's exact shape with random weights and its real tokenizer, and the one in
--checkpoint, such as the demo's policy. `vs_llama_cpp` is the ratio of seconds, above 1 this project is faster; memory
is the peak of the process. Each step is a process of its own, and both sides take all cores.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._results import write_result
from fc_assets.edge.gguf_files import BASELINE, GgufType
from fc_assets.foundation.child_processes.memory import peak_rss_mb

KINDS: tuple[GgufType, ...] = (BASELINE, "Q8_0", "Q4_K_M")
_THREADS = 0  # all cores, as many as this project takes


def main() -> None:
    """Compare, or do one step when called by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llama-cpp", type=Path, required=True)
    parser.add_argument("--libllama", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="a second checkpoint to compare, such as the demo's policy")
    parser.add_argument("--layers", type=int, default=28, help="fewer than the real model's, to try it out")
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        print(json.dumps(_do(asked.llama_cpp, asked.libllama, *asked.step)))
        return
    figures: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "qwen3-0.6b"
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; from pathlib import Path; from fc_assets_tests.support.qwen3 import write_checkpoint; "
                "write_checkpoint(Path(sys.argv[1]), int(sys.argv[2]))",
                folder,
                str(asked.layers),
            ],
            check=True,
        )
        figures |= _compare("qwen3_0_6b", folder, Path(scratch))
        if asked.checkpoint:
            figures |= _compare("checkpoint", asked.checkpoint, Path(scratch))
    write_result("gguf_convert", figures, ["gguf", "xllamacpp"])


def _compare(name: str, checkpoint: Path, scratch: Path) -> dict[str, float | None]:
    ours, theirs = _Side(), _Side()
    same = tensors = 0
    for kind in KINDS:
        mine, other = scratch / f"{name}-ours-{kind}.gguf", scratch / f"{name}-llama.cpp-{kind}.gguf"
        ours.step("ours", kind, checkpoint, mine)
        if kind == BASELINE:
            theirs.step("converter", kind, checkpoint, other)
        else:
            theirs.step("quantiser", kind, scratch / f"{name}-llama.cpp-{BASELINE}.gguf", other)
        found, expected = digests(mine), digests(other)
        identical = sum(found.get(tensor) == value for tensor, value in expected.items())
        print(f"{name} {kind}: {identical} of {len(expected)} tensors are identical", flush=True)
        same += identical
        tensors += len(found.keys() | expected.keys())
    return {
        f"{name}_tensors": tensors,
        f"{name}_identical_tensors": same,
        f"{name}_s": round(ours.seconds, 1),
        f"{name}_llama_cpp_s": round(theirs.seconds, 1),
        f"{name}_vs_llama_cpp": round(theirs.seconds / ours.seconds, 2),
        f"{name}_peak_rss_mb": round(ours.peak_mb),
        f"{name}_llama_cpp_peak_rss_mb": round(theirs.peak_mb),
    }


def digests(file: Path) -> dict[str, str]:
    """The type and the sha256 of the packed bytes of every tensor in a GGUF file."""
    from gguf import GGUFReader

    return {
        tensor.name: f"{tensor.tensor_type.name} {hashlib.sha256(tensor.data.tobytes()).hexdigest()}"
        for tensor in GGUFReader(file).tensors
    }


class _Side:
    """The seconds of all steps of one side, and the highest memory of any."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.peak_mb = 0.0

    def step(self, *words: object) -> None:
        command = [sys.executable, "-m", "benchmarks.gguf_convert", *sys.argv[1:], "--step", *map(str, words)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        cost = json.loads(done.stdout.splitlines()[-1])
        print(*words, cost, flush=True)
        self.seconds += cost["s"]
        self.peak_mb = max(self.peak_mb, cost["peak_mb"])


def _do(llama_cpp: Path, libllama: Path, step: str, kind: GgufType, source: str, out: str) -> dict[str, float]:
    started = time.monotonic()
    if step == "ours":
        from fc_assets.edge.conversion.checkpoint import read_checkpoint
        from fc_assets.edge.conversion.writer import write_gguf

        write_gguf(read_checkpoint(Path(source)), Path(out), kind, name="m", source_digest="d")
    elif step == "converter":
        _convert(llama_cpp, Path(source), Path(out))
    else:
        _quantise(libllama, kind, Path(source), Path(out))
    return {"s": time.monotonic() - started, "peak_mb": peak_rss_mb()}


def _convert(llama_cpp: Path, checkpoint: Path, out: Path) -> None:
    sys.path.insert(0, str(llama_cpp))
    sys.path.insert(1, str(llama_cpp / "gguf-py"))
    from conversion import base  # type: ignore[import-not-found]

    # It knows tokenizers by a digest of what they make of a text; the demo's, with Qwen's rules, is not among them.
    base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
    script = str(llama_cpp / "convert_hf_to_gguf.py")
    sys.argv = [script, str(checkpoint), "--outfile", str(out), "--outtype", "f16"]
    runpy.run_path(script, run_name="__main__")


def _quantise(libllama: Path, kind: GgufType, source: Path, out: Path) -> None:
    from fc_assets.edge.conversion.tensor_types import FILE_TYPES

    for library in sorted(libllama.parent.glob("libggml*.so*")):
        if "cpu" not in library.name:
            ggml = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
            if hasattr(ggml, "ggml_backend_load_all_from_path"):
                ggml.ggml_backend_load_all_from_path(str(libllama.parent).encode())
    llama = ctypes.CDLL(str(libllama))

    class Parameters(ctypes.Structure):
        """llama_model_quantize_params: the number of threads and the file type come first, the rest is the default."""

        _fields_ = (("threads", ctypes.c_int32), ("file_type", ctypes.c_int), ("rest", ctypes.c_char * 248))

    llama.llama_model_quantize_default_params.restype = Parameters
    parameters = llama.llama_model_quantize_default_params()
    parameters.threads, parameters.file_type = _THREADS, FILE_TYPES[kind].value
    if llama.llama_model_quantize(str(source).encode(), str(out).encode(), ctypes.byref(parameters)):
        raise SystemExit(f"llama.cpp could not quantise {source}")


if __name__ == "__main__":
    main()
