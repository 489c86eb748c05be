"""A training step that does not fit its machine is refused before any process is started."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.names import BASE_MODEL, GRPO_POLICY, LORA_ADAPTER, MERGED_MODEL, MODEL_FOLDER, SHAREGPT_TRAIN
from fc_assets.profiles import load_profile
from fc_assets.training import assets
from fc_assets_tests.support import qwen3
from fc_assets_tests.support.machines import machine

SIXTEEN_ROWS_AT_ONCE = {"micro_batch_tokens": 32_768, "gradient_checkpointing": False}


def stand_in(name: str) -> dg.AssetsDefinition:
    """An upstream asset that holds nothing but the configuration of Qwen3-0.6B."""

    @dg.asset(key=dg.AssetKey(name))
    def made(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
        with runtime.step(context) as step:
            (step.out / MODEL_FOLDER).mkdir()
            write_json(step.out / MODEL_FOLDER / "config.json", qwen3.config().to_dict())
            return step.publish([], {})

    return made


@pytest.mark.parametrize(
    ("asset", "upstream", "on", "said"),
    [
        (LORA_ADAPTER, (BASE_MODEL, SHAREGPT_TRAIN), machine(12), "SFT does not fit"),
        (MERGED_MODEL, (BASE_MODEL, LORA_ADAPTER, SHAREGPT_TRAIN), machine(12, ram_gb=2), "Merging does not fit"),
        (GRPO_POLICY, (MERGED_MODEL, SHAREGPT_TRAIN), machine(12), "GRPO does not fit"),
    ],
)
def test_a_step_that_does_not_fit_starts_nothing(
    asset: str, upstream: tuple[str, ...], on: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "this_machine", lambda home: on)
    profile = load_profile("gpu-12gb")
    greedy = profile.model_copy(
        update={name: getattr(profile, name).model_copy(update=SIXTEEN_ROWS_AT_ONCE) for name in ("sft", "grpo")}
    )
    (real,) = (made for made in assets.ASSETS if made.key == dg.AssetKey(asset))
    result = dg.materialize(
        [*map(stand_in, upstream), real], resources=build_resources(greedy, tmp_path), raise_on_error=False
    )
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.node_name == asset
    assert f"{asset}: {said} this machine: it needs " in failure.event_specific_data.user_failure_data.description
    assert not (tmp_path / "logs").exists(), "no process was started"


def test_a_merge_that_was_judged_by_something_else_is_asked_for_again(tmp_path: Path) -> None:
    """Records of older versions have another bound: a policy is not held to one that nobody set."""
    bounds = load_profile("demo").sft.merge
    now, before = (
        Artifact(MERGED_MODEL, tmp_path, "0" * 64, {}, settings={"sft": recorded})
        for recorded in ({"merge": bounds.model_dump()}, {"max_merge_logit_difference": 0.25})
    )
    assert assets.merge_bounds(now) == bounds
    with pytest.raises(FcAssetsError, match="merged_model was made by a version that judged merges otherwise"):
        assets.merge_bounds(before)
