"""A script for LLaMA-Factory's own environment: `python llama_factory_run.py MODE OUT ARGUMENTS.yaml KEY=VALUE...`.

Mode `encode` writes what LLaMA-Factory makes of the data set, token ids and labels row by row, to the JSON file OUT.
Mode `train` trains, and writes the seconds of the training loop alone. Arguments go through LLaMA-Factory's own parser.
"""

import importlib.machinery
import json
import sys
import time
import types
from pathlib import Path

# The module for sounds and pictures imports torchaudio, whose wheels want another build of PyTorch. Text needs none.
_silent = types.ModuleType("torchaudio")
_silent.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
sys.modules["torchaudio"] = _silent

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer  # noqa: E402
from llamafactory.hparams import get_train_args  # noqa: E402
from llamafactory.hparams.parser import read_args  # noqa: E402
from llamafactory.model import load_tokenizer  # noqa: E402


def encode(arguments: dict) -> dict[str, object]:
    """The rows as LLaMA-Factory would train on them."""
    model_args, data_args, training_args, _, _ = get_train_args(arguments)
    module = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(module["tokenizer"], data_args)
    rows = get_dataset(template, model_args, data_args, training_args, stage="sft", **module)["train_dataset"]
    return {"rows": [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in rows]}


def train(arguments: dict) -> dict[str, object]:
    """Train, and time the loop: from its first step's begin to its end."""
    from llamafactory.train.sft import run_sft
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        started = ended = 0.0

        def on_train_begin(self, args, state, control, **_):
            self.started = time.perf_counter()

        def on_train_end(self, args, state, control, **_):
            self.ended = time.perf_counter()

    clock = Clock()
    model_args, data_args, training_args, finetuning_args, generating_args = get_train_args(arguments)
    run_sft(model_args, data_args, training_args, finetuning_args, generating_args, callbacks=[clock])
    return {"seconds": clock.ended - clock.started}


if __name__ == "__main__":
    mode, out = sys.argv[1], Path(sys.argv[2])
    sys.argv = [sys.argv[0], *sys.argv[3:]]
    out.write_text(json.dumps({"encode": encode, "train": train}[mode](read_args())), encoding="utf-8")
