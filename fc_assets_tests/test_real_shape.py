"""Qwen3-0.6B's exact shape and real tokenizer through training, vLLM and llama.cpp: what must survive on the way.

With fewer layers than the real model's 28, so that it ends in minutes; `benchmarks.real_shape` has them all.
"""

import json

import pytest
from gguf import GGUFReader

from fc_assets import names
from fc_assets.calls.conversations import read_turns
from fc_assets.calls.prompts import THINK_OFF, render_prompt
from fc_assets.edge.conversion.vocabulary import CONTROL
from fc_assets.names import MODEL_FOLDER, REPORT
from fc_assets.training.sequences import encode
from fc_assets_tests.support import qwen3
from fc_assets_tests.support.real_shape import STAGES, RealShape

LAYERS = 2

pytestmark = [pytest.mark.long, pytest.mark.vllm, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RealShape:
    shape = RealShape(tmp_path_factory.mktemp("real-shape"), LAYERS)
    shape.run()
    return shape


def test_each_stage_ends_and_says_what_it_took(made: RealShape) -> None:
    assert list(made.costs) == list(STAGES)
    assert all(cost.seconds > 0 and cost.peak_mb > 0 for cost in made.costs.values())
    adapter, policy = made.artefact(names.LORA_ADAPTER), made.artefact(names.GRPO_POLICY)
    assert adapter.read_json(REPORT)["steps"] == 2 and policy.read_json(REPORT)["steps"] == 1
    assert policy.read_json(REPORT)["merge"]["adapter_kl"] > 0, (
        "the completions of a group differ, so one step moves logits"
    )


@pytest.mark.parametrize("asset", [names.BASE_MODEL, names.MERGED_MODEL, names.GRPO_POLICY, names.PROMOTED_POLICY])
def test_both_stop_tokens_are_in_every_checkpoint(made: RealShape, asset: str) -> None:
    folder = made.artefact(asset).path / MODEL_FOLDER
    generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    assert generation["eos_token_id"] == list(qwen3.STOP_TOKENS)
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"] == qwen3.config().vocab_size


def test_the_gguf_files_and_the_modelfile_stop_at_both_tokens(made: RealShape) -> None:
    """A GGUF file names one end token; llama.cpp also ends at control tokens whose text it knows, as both of these."""
    folder = made.artefact(names.GGUF_ARTIFACTS).path
    end_of_turn, _ = qwen3.STOP_TOKENS
    for file in folder.glob("*.gguf"):
        fields = GGUFReader(file).fields
        assert fields["tokenizer.ggml.eos_token_id"].contents() == end_of_turn, file.name
        texts, types = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type"))
        found = {texts[token]: types[token] for token in qwen3.STOP_TOKENS}
        assert found == {"<|im_end|>": CONTROL, "<|endoftext|>": CONTROL}, file.name
    modelfile = (folder / names.MODELFILE).read_text(encoding="utf-8")
    assert all(f'PARAMETER stop "{text}"' in modelfile for text in ("<|im_end|>", "<|endoftext|>"))


def test_a_call_opens_with_one_id_and_thinking_off_is_the_training_prefix(made: RealShape) -> None:
    from transformers import AutoTokenizer

    split = made.artefact(names.SHAREGPT_TRAIN).path / names.split_file(names.SHAREGPT_TRAIN)
    turns = [turn for turn in read_turns(split) if turn.calls]
    for asset in (names.BASE_MODEL, names.MERGED_MODEL, names.GRPO_POLICY):
        tokenizer = AutoTokenizer.from_pretrained(made.artefact(asset).path / MODEL_FOLDER)
        think_off = len(tokenizer(THINK_OFF, add_special_tokens=False).input_ids)
        for turn in turns:
            sequence = encode(tokenizer, turn)
            served = render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True)
            prefix = sequence.input_ids[: sequence.completion_mask.count(0) + think_off]
            assert tokenizer(served, add_special_tokens=False).input_ids == prefix
            assert sequence.learnt_ids.count(qwen3.TOOL_CALL) == len(turn.calls)


def test_vllm_and_llama_cpp_see_the_ids_of_training(made: RealShape) -> None:
    answers = made.artefact(names.predictions(names.GRPO))
    parity = answers.read_json(names.PARITY)
    assert parity["rows"] == parity["equal"] == made.profile.evaluation.max_rows and not parity["unmeasured"]
    rows = made.artefact(names.EDGE_REPORT).read_json(REPORT)["rows"]
    assert [row["kind"] for row in rows] == ["F16", "Q8_0", "Q4_K_M"]
    assert all(row["same_ids"] == row["same_prompts"] == 1.0 for row in rows)
