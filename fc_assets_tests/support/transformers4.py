"""transformers 4 in an environment of its own, to read what is published as many readers still do.

It is made once, by uv, in a cached folder; a test that needs it skips, with the reason, where PyPI cannot be reached.
torch is the project's own: its folder stands behind the environment's in the path.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

PACKAGES = ("transformers==4.57.3", "peft==0.17.1")
"""The last transformers 4, and the peft of its time."""
_ENVIRONMENT = Path.home() / ".cache" / "fc-assets-tests" / "transformers-4.57.3"
_READY = _ENVIRONMENT / "ready"
_PYTHON = _ENVIRONMENT / "bin" / "python"
_INSTALL_TIMEOUT_S = 240
_READ = """
import json, sys, torch, transformers
from pathlib import Path
from peft import PeftModel
from safetensors.torch import save_file
asked = json.loads(sys.argv[1])
model = transformers.AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32)
if asked["adapter"]:
    model = PeftModel.from_pretrained(model, asked["adapter"])
tokenizer = transformers.AutoTokenizer.from_pretrained(asked["tokenizer"])
ids = tokenizer.apply_chat_template(asked["messages"], add_generation_prompt=True, enable_thinking=False)
with torch.inference_mode():
    logits = model.eval()(input_ids=torch.tensor([ids])).logits[0]
save_file({"ids": torch.tensor(ids), "logits": logits.contiguous()}, asked["out"])
generation = model.generation_config
print(json.dumps({
    "version": transformers.__version__, "eos": tokenizer.eos_token, "stops": generation.eos_token_id,
    "special": sorted(tokenizer.all_special_tokens), "theta": model.config.rope_theta,
}))
"""


@dataclass(frozen=True)
class Reading:
    """What transformers 4 makes of a checkpoint: the conversation's ids (tokens,), logits (tokens, vocabulary)."""

    ids: list[int]
    logits: torch.Tensor
    version: str
    eos: str
    stops: list[int] | int
    special: list[str]
    theta: float


def read(model: Path, messages: Sequence[dict[str, str]], out: Path, *, adapter: Path | None = None) -> Reading:
    """Load `model`, with an adapter if one is given, in a process with transformers 4, and ask it; skips without."""
    _make_environment()
    asked = {
        "model": str(model),
        "adapter": str(adapter) if adapter else None,
        "tokenizer": str(model),
        "messages": list(messages),
        "out": str(out),
    }
    done = subprocess.run([_PYTHON, "-c", _READ, json.dumps(asked)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    tensors = load_file(out)
    facts = json.loads(done.stdout.splitlines()[-1])
    return Reading(tensors["ids"].tolist(), tensors["logits"], **facts)


def _make_environment() -> None:
    if not _READY.is_file():
        _install()
    (site,) = _ENVIRONMENT.glob("lib/python*/site-packages")
    # Each time: the checkout that made the environment need not be this one.
    (site / "torch_of_the_project.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")


def _install() -> None:
    without_torch = _ENVIRONMENT.with_suffix(".overrides")
    without_torch.parent.mkdir(parents=True, exist_ok=True)
    without_torch.write_text('torch; sys_platform == "never"\n')
    uv = [sys.executable, "-m", "uv"]
    try:
        for command in (
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(_ENVIRONMENT)],
            [*uv, "pip", "install", "--quiet", "-p", str(_PYTHON), "--override", str(without_torch), *PACKAGES],
        ):
            subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=True)
    except subprocess.SubprocessError as error:
        pytest.skip(f"uv could not install {' '.join(PACKAGES)}, with which published files are read: {error}")
    _READY.touch()
