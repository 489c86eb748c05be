"""The graph's own assets on a model of Qwen3-0.6B's exact shape: SFT, merge, GRPO, vLLM, GGUF, edge report.

The profile is `gpu-12gb` with what a card has and a CPU has not (device, vLLM beside the trainer) taken away, and with
so few rows and steps that each stage ends. The release is stood in for by the policy: random weights pass no gate.
What the artefacts must hold is said in `test_real_shape`; `benchmarks.real_shape` records what each stage took.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psutil

from fc_assets import names
from fc_assets.data.assets import ASSETS as DATA
from fc_assets.edge.assets import ASSETS as EDGE
from fc_assets.evaluation.assets import assets as evaluation_assets
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.resources import Runtime, build_resources, latest_artifact
from fc_assets.names import MODEL_FOLDER
from fc_assets.profiles import Profile, load_profile
from fc_assets.release.package import link_tree
from fc_assets.training.assets import ASSETS as TRAINING
from fc_assets_tests.support import qwen3

STAGES: Mapping[str, tuple[str, ...]] = {
    "data": (names.XLAM_RAW, names.SHAREGPT_TRAIN, names.SHAREGPT_VAL, names.BASE_MODEL),
    "sft": (names.LORA_ADAPTER,),
    "merge": (names.MERGED_MODEL,),
    "grpo": (names.GRPO_POLICY,),
    "vllm": (names.predictions(names.GRPO),),
    "gguf": (names.PROMOTED_POLICY, names.GGUF_ARTIFACTS),
    "edge": (names.EDGE_REPORT,),
}
"""What is materialised and measured together, in this order."""
_SAMPLE_S = 0.25
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "data": {"source": "generator", "rows": 240, "irrelevance_share": 0.3},
    "sft": {
        "max_steps": 2,
        "rows_per_step": 4,
        "validation_rows": 2,
        "log_every": 1,
        "save_every": 2,
        # Without instructions for it a CPU computes bf16 a hundred times slower. What bf16 does to a merge is tested
        # at this shape in `training/merging`, and training in it on the embedded model.
        "bf16": False,
    },
    # Only prompts where no call is right: a random model earns nothing on the others, but on these it is paid for each
    # completion without `<tool_call>`. So the completions of a group differ in reward, and there is something to learn.
    "grpo": {
        "steps": 1,
        "prompts_per_step": 2,
        "no_call_share": 1.0,
        "generations": 4,
        "candidates_per_prompt": 1,
        "probe_rows": 0,
        "max_completion": 32,
        "vllm_colocate": False,
        "bf16": False,
    },
    "server": {
        "device": "cpu",
        "dtype": "float32",
        "max_model_len": 2048,
        "max_num_seqs": 4,
        "max_num_batched_tokens": 2048,
        "enforce_eager": True,
        "kv_cache_gib": 1,
    },
    "evaluation": {"max_rows": 8, "max_tokens": 8, "constrained_rows": 0},
    "edge": {"rows": 3, "max_tokens": 8, "threads": 1},
}


@dataclass(frozen=True)
class StageCost:
    """What a stage took: seconds on the clock, and peak memory of all its processes together, in MB of 10^6 bytes.

    Memory is the proportional set size: a page that several processes share is counted once. The process that holds
    the graph, this one, is left out.
    """

    seconds: float
    peak_mb: float


@dataclass
class RealShape:
    """A home in `folder` where the stages run one after the other on a model with `layers` layers."""

    folder: Path
    layers: int
    costs: dict[str, StageCost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        base = self.folder / "base"
        base.mkdir(parents=True)
        qwen3.write_checkpoint(base, self.layers, loud_tokens=(*qwen3.STOP_TOKENS, qwen3.TOOL_CALL))
        self.profile = cpu_profile(base)
        self.store = ArtifactStore(self.folder / "home")
        self.instance = dg.DagsterInstance.ephemeral()

    def run(self) -> None:
        """Every stage, with what it took printed. Stops with an AssertionError at the first that fails."""
        for stage, assets in STAGES.items():
            with measured() as cost:
                self._materialise(assets)
            self.costs[stage] = StageCost(**cost)
            print(f"{stage}: {cost['seconds']:.0f} s, {cost['peak_mb']:.0f} MB", flush=True)

    def artefact(self, name: str) -> Artifact:
        """The latest artefact of an asset."""
        return latest_artifact(self.instance, self.store, dg.AssetKey.from_user_string(name))

    def _materialise(self, assets: tuple[str, ...]) -> None:
        result = dg.materialize(
            [*DATA, *TRAINING, *evaluation_assets(self.profile), _release(), *EDGE],
            selection=dg.AssetSelection.assets(*(dg.AssetKey.from_user_string(name) for name in assets)),
            resources=build_resources(self.profile, self.store.home),
            instance=self.instance,
            raise_on_error=False,
        )
        failed = [event.step_failure_data.user_failure_data for event in result.get_step_failure_events()]
        assert result.success, [each.description if each else "a step failed" for each in failed]


def cpu_profile(base: Path) -> Profile:
    """`gpu-12gb` on a CPU, from the checkpoint in the folder `base`: training and serving in fp32."""
    values = load_profile("gpu-12gb").model_dump()
    changes = {**_CHANGES, "base_model": {"source": "folder", "path": str(base)}}
    return Profile.model_validate(
        {name: {**values[name], **changes[name]} if name in changes else values[name] for name in values}
    )


def _release() -> dg.AssetsDefinition:
    @dg.asset(key=names.PROMOTED_POLICY)
    def promoted_policy(
        context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime], grpo_policy: Artifact
    ) -> dg.MaterializeResult[Artifact]:
        with runtime.step(context) as step:
            link_tree(grpo_policy.path / MODEL_FOLDER, step.out / MODEL_FOLDER)
            return step.publish([grpo_policy], {})

    return promoted_policy


@contextlib.contextmanager
def measured() -> Iterator[dict[str, float]]:
    """`seconds` and `peak_mb` of the block, in a dictionary that is filled when it ends; see `StageCost`."""
    found: dict[str, float] = {}
    done = threading.Event()
    peak = 0.0

    def sample() -> None:
        nonlocal peak
        while not done.wait(_SAMPLE_S):
            peak = max(peak, _children_mb())

    sampler = threading.Thread(target=sample)
    started = time.monotonic()
    sampler.start()
    try:
        yield found
    finally:
        done.set()
        sampler.join()
        found.update(seconds=time.monotonic() - started, peak_mb=peak)


def _children_mb() -> float:
    total = 0
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().pss
    return total / 1e6
