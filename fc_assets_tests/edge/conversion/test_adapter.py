"""A LoRA as a GGUF adapter: llama.cpp answers with base and adapter as with the merged model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gguf
import pytest

from fc_assets.edge.conversion.adapter import write_adapter
from fc_assets.edge.conversion.checkpoint import read_checkpoint
from fc_assets.edge.conversion.writer import write_gguf
from fc_assets.edge.measurement.llama_model import LlamaModel
from fc_assets.errors import FcAssetsError

pytestmark = pytest.mark.slow

QUESTIONS = ("What is the weather in Zürich?", "Convert 3.5 miles, please.")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path, tokenizer_folder: Path) -> Path:
    """A folder with `adapter`, a random LoRA that changes much, and `merged`, the checkpoint with it merged in."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import Qwen3ForCausalLM

    out = tmp_path_factory.mktemp("lora")
    torch.manual_seed(3)
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(
        Qwen3ForCausalLM.from_pretrained(checkpoint_folder),
        LoraConfig(r=8, lora_alpha=24, target_modules=modules, init_lora_weights=False),
    )
    model.save_pretrained(out / "adapter")
    model.merge_and_unload().save_pretrained(out / "merged")
    for file in (*tokenizer_folder.iterdir(), checkpoint_folder / "config.json"):
        shutil.copyfile(file, out / "merged" / file.name)
    return out


def _answers(file: Path, adapter: Path | None = None) -> list[str]:
    model = LlamaModel(file, context=256, threads=1, adapter=adapter)
    return [model.answer(question, max_tokens=16).text for question in QUESTIONS]


def test_base_and_adapter_answer_as_the_merged_model(tmp_path: Path, made: Path, checkpoint_folder: Path) -> None:
    for name, folder in (("base", checkpoint_folder), ("merged", made / "merged")):
        write_gguf(read_checkpoint(folder), tmp_path / f"{name}.gguf", "F16", name=name, source_digest="d")
    assert write_adapter(made / "adapter", tmp_path / "adapter.gguf") == 14
    merged = _answers(tmp_path / "merged.gguf")
    assert _answers(tmp_path / "base.gguf", tmp_path / "adapter.gguf") == merged
    assert _answers(tmp_path / "base.gguf") != merged
    fields = gguf.GGUFReader(tmp_path / "adapter.gguf").fields
    assert fields["general.type"].contents() == "adapter" and fields["adapter.lora.alpha"].contents() == 24.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"use_rslora": True}, "rank-stabilised scaling"),
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "whole modules"),
        ({"peft_type": "IA3"}, "type IA3"),
    ],
)
def test_what_llama_cpp_would_apply_otherwise_is_refused(
    tmp_path: Path, made: Path, change: dict[str, Any], reason: str
) -> None:
    folder = shutil.copytree(made / "adapter", tmp_path / "adapter")
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    (folder / "adapter_config.json").write_text(json.dumps({**config, **change}), encoding="utf-8")
    with pytest.raises(FcAssetsError, match=f"{reason}.*merge this one"):
        write_adapter(folder, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


def test_a_tensor_that_is_no_lora_is_refused_and_leaves_no_file(tmp_path: Path, made: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(made / "adapter", tmp_path / "adapter")
    tensors = load_file(folder / "adapter_model.safetensors")
    tensors["base_model.model.lm_head.weight"] = next(iter(tensors.values())).clone()
    save_file(tensors, folder / "adapter_model.safetensors")
    with pytest.raises(FcAssetsError, match=r"lm_head\.weight is no LoRA of a Qwen3 model"):
        write_adapter(folder, tmp_path / "out.gguf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]
