"""The one way to start vLLM: what its flags and environment are on either device, here and in a container."""

import pytest

from fc_assets.profiles import ServerSettings
from fc_assets.serving.launch_vllm import FORK_ENVIRONMENT, FORK_FLAGS
from fc_assets.serving.vllm_command import VllmCommand, flags_for, vllm_command

CPU = ServerSettings(device="cpu", dtype="float32", kv_cache_gib=2)
GPU = ServerSettings(device="cuda", enforce_eager=True, gpu_memory_share=0.5)


def command(settings: ServerSettings, home: str = "") -> VllmCommand:
    return vllm_command(settings, "/m/model", ["stable", "exact"], "127.0.0.1", 8000, home=home)


def test_flags_follow_the_settings() -> None:
    flags = flags_for(GPU)
    assert flags[flags.index("--gpu-memory-utilization") + 1] == "0.5"
    assert "--enforce-eager" in flags
    assert "--gpu-memory-utilization" not in flags_for(CPU)
    assert {"--enable-auto-tool-choice", "--tool-call-parser"} <= set(flags)


@pytest.mark.parametrize("settings", [CPU, GPU], ids=["cpu", "cuda"])
def test_model_address_and_every_name_are_in_the_command(settings: ServerSettings) -> None:
    argv = command(settings).argv
    assert argv[2:11] == "--model /m/model --host 127.0.0.1 --port 8000 --served-model-name stable exact".split()
    assert set(flags_for(settings)) <= set(argv)
    assert not any("trust" in word for word in argv)


def test_only_the_cpu_build_is_forked() -> None:
    cpu, gpu = command(CPU), command(GPU)
    assert cpu.argv[:2] == ["-m", "fc_assets.serving.launch_vllm"]
    assert tuple(cpu.flags[-2:]) == FORK_FLAGS
    assert cpu.environment.items() >= {**FORK_ENVIRONMENT, "VLLM_CPU_KVCACHE_SPACE": "2"}.items()
    assert gpu.argv[:2] == ["-m", "vllm.entrypoints.openai.api_server"]
    assert not set(gpu.environment) & {*FORK_ENVIRONMENT, "VLLM_CPU_KVCACHE_SPACE"}


@pytest.mark.parametrize("settings", [CPU, GPU], ids=["cpu", "cuda"])
def test_nothing_is_fetched_nor_sent_home(settings: ServerSettings) -> None:
    quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_SERVER_DEV_MODE": "0"}
    assert command(settings).environment.items() >= quiet.items()


def test_a_container_gets_a_home_for_caches() -> None:
    assert "HOME" not in command(GPU).environment
    inside = {"HOME": "/tmp", "USER": "vllm", "VLLM_CACHE_ROOT": "/tmp/vllm"}
    assert command(GPU, home="/tmp").environment.items() >= inside.items()
