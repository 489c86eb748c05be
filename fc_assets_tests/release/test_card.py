"""The model card: what the hub's own library reads out of it, and that no section is lost on the way."""

import re
import shlex
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from fc_assets.foundation.thresholds import Kind
from fc_assets.profiles import GrpoSettings, SftSettings
from fc_assets.release.card import model_card
from fc_assets.release.model_info import ModelInfo
from fc_assets.release.record import (
    RECORD_FORMAT,
    BarRecord,
    CodeRecord,
    GateRecord,
    LineageRecord,
    OverrideRecord,
    PolicyRecord,
    PromotingRun,
    ReleaseRecord,
)
from fc_assets.release.upstream import BaseCheckpoint, Licence, Measure
from fc_assets.serving.vllm_command import SAME_AS_TRAINED_FLAGS

INFO = ModelInfo(
    architecture="Qwen3ForCausalLM",
    parameters=596_049_920,
    checkpoint_dtype="BF16",
    layers=28,
    hidden_size=1024,
    attention_heads=16,
    key_value_heads=8,
    head_size=128,
    vocabulary=151_936,
    context=40_960,
    serving_dtype="bfloat16",
    max_model_len=8192,
    max_num_seqs=64,
    weights_mib=1136.88,
    kv_cache_bytes_per_token=114_688,
    full_load_mib=58_480.88,
)
RECORD = ReleaseRecord(
    format=RECORD_FORMAT,
    policy=PolicyRecord(asset="grpo_policy", digest="a" * 64),
    base=BaseCheckpoint("Qwen/Qwen3-0.6B", "main", "hub"),
    lineage={"xlam_raw": LineageRecord(digest="b" * 64, inputs={})},
    gates=[
        GateRecord(
            asset="xlam_raw",
            check="gold_ceiling",
            judged_digest="b" * 64,
            met=True,
            unmet_because=None,
            bar=BarRecord(
                setting="gates.min_gold_ceiling", kind=Kind.AT_LEAST, threshold=0.95, source="location", asked=0.95
            ),
            description="",
            values={},
        ),
    ],
    override=None,
    metrics=[
        Measure("exact_match", "base", 0.1, 0.05, 0.2, 1200),
        Measure("exact_match", "grpo", 0.912345, 0.9, 0.93, 1200),
        Measure("parse_rate", "grpo", 1.0, None, None, 1200),
    ],
    further_tables={"BFCL": [{"category": "a|b", "C": 0.5}, {"category": "simple", "rows": 3}], "Empty": []},
    licences=[
        Licence("Qwen/Qwen3-0.6B", "Apache-2.0", 0),
        Licence("Salesforce/xlam-function-calling-60k", "CC-BY-4.0", 60_000),
    ],
    profile=["gpu-12gb"],
    settings={
        "lora_adapter": {"sft": SftSettings(max_steps=8, learning_rate=1e-4).model_dump()},
        "grpo_policy": {"grpo": GrpoSettings(steps=7).model_dump()},
    },
    promoting_run=PromotingRun(profile="gpu-12gb", settings={"deployment": {"canary_rows": 5}}),
    code=CodeRecord(version="1.0", git_commit="c" * 40),
    libraries={},
)


def test_the_hub_reads_the_front_matter() -> None:
    data = ModelCard(model_card(RECORD, INFO)).data
    assert data.license == "apache-2.0"
    assert data.base_model == "Qwen/Qwen3-0.6B"
    assert data.datasets == ["Salesforce/xlam-function-calling-60k"]
    assert (data.library_name, data.pipeline_tag) == ("transformers", "text-generation")
    assert "function-calling" in data.tags
    assert data.model_name == "function caller from Qwen/Qwen3-0.6B"
    shown = [(each.task_type, each.dataset_type, each.metric_type, each.metric_value) for each in data.eval_results]
    assert shown == [
        ("text-generation", "sharegpt_val", "exact_match", 0.9123),
        ("text-generation", "sharegpt_val", "parse_rate", 1.0),
    ]


@pytest.mark.parametrize("licence", ["CC-BY-4.0", "unknown: the checkpoint came without a licence file"])
def test_a_licence_that_the_hub_has_no_name_for_is_other(licence: str) -> None:
    weights = replace(RECORD.licences[0], licence=licence)
    card = model_card(RECORD.model_copy(update={"licences": [weights, *RECORD.licences[1:]]}), INFO)
    assert ModelCard(card).data.license == "other"
    assert f"| Qwen/Qwen3-0.6B | {licence} |  |" in card


def test_the_sections_stand_in_order() -> None:
    headings = [line for line in model_card(RECORD, INFO).splitlines() if line.startswith("#")]
    assert headings == [
        "# Function caller from Qwen/Qwen3-0.6B",
        "## Results",
        "### BFCL",
        "## Gates",
        "## Use",
        "## Limits",
        "## Licences",
        "## Provenance",
    ]


def test_the_card_says_where_the_adapter_is_and_of_which_base() -> None:
    assert "one LoRA adapter of Qwen/Qwen3-0.6B at main, SFT and GRPO in one, is the folder `adapter`" in model_card(
        RECORD, INFO
    )
    local = RECORD.model_copy(update={"base": BaseCheckpoint("my-model", "", "folder")})
    assert "one LoRA adapter of my-model, SFT and GRPO in one" in model_card(local, INFO)


def test_the_card_says_how_its_figures_were_asked_for_and_how_to_serve_alike() -> None:
    card = model_card(RECORD, INFO)
    assert "greedy decoding with thinking off for base, SFT and policy alike" in card
    (command,) = re.findall(r"python -m vllm(?:.*\\\n)+.*", card)
    assert set(SAME_AS_TRAINED_FLAGS) <= set(shlex.split(command))


def test_the_tables_hold_every_cell() -> None:
    card = model_card(RECORD, INFO)
    assert "| metric | A: base | C: SFT + GRPO |\n| --- | --- | --- |\n" in card
    assert "| exact_match | 0.100 [0.050, 0.200] | 0.912 [0.900, 0.930] |\n| parse_rate |  | 1.000 |\n\n" in card
    assert "| category | C | rows |\n| --- | --- | --- |\n| a\\|b | 0.500 |  |\n| simple |  | 3 |\n\n" in card
    assert f"| xlam_raw:gold_ceiling | `{'b' * 16}` | passed | gates.min_gold_ceiling at least 0.95 |" in card
    assert (
        "| setting | SFT | GRPO |\n| --- | --- | --- |\n"
        "| length | 3 epochs, at most 8 steps | 7 steps |\n"
        "| learning rate | 0.0001 | 2e-05 |\n"
        "| LoRA rank | 32 | 32 |\n"
        "| batch | 16 rows | 8 prompts with 8 completions each |\n"
    ) in card
    assert "Measured on 1,200 rows" in card
    assert "1,137 MiB" in card
    assert "demo profile" not in card


def test_an_override_and_a_text_with_signs_of_html_are_shown_as_they_are() -> None:
    gate = RECORD.gates[0].model_copy(update={"met": False, "unmet_because": "failed: 0.5 < 0.9 & 'flaky'"})
    override = OverrideRecord(reason='I <know> "better"', unmet=["xlam_raw:gold_ceiling"])
    card = model_card(RECORD.model_copy(update={"gates": [gate], "override": override}), INFO)
    assert (
        "**Promoted by hand although gates were unmet** (xlam_raw:gold_ceiling). "
        'Reason given: I <know> "better"\n\n## Results' in card
    )
    assert "| unmet: failed: 0.5 < 0.9 & 'flaky' |" in card


def test_without_numbers_there_is_no_table_of_results() -> None:
    card = model_card(RECORD.model_copy(update={"metrics": [], "profile": ["demo"]}), INFO)
    assert "## Results" not in card
    assert "Made with the demo profile" in card
    assert ModelCard(card).data.eval_results == []
