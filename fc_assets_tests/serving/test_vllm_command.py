"""The one way to start vLLM: what its flags and environment are on either device, here and in a container."""

import itertools
import json

import pytest

from fc_assets.profiles import ServerSettings
from fc_assets.serving.chat import chat_request
from fc_assets.serving.launch_vllm import FORK_ENVIRONMENT, FORK_FLAGS, THREADS_VARIABLE, engine_threads
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


def test_prefix_caching_and_n_gram_speculation_follow_the_settings() -> None:
    assert not {"--no-enable-prefix-caching", "--speculative-config"} & set(flags_for(CPU))
    flags = flags_for(CPU.model_copy(update={"prefix_caching": False, "ngram_tokens": 4}))
    assert "--no-enable-prefix-caching" in flags
    guess = json.loads(flags[flags.index("--speculative-config") + 1])
    assert (guess["method"], guess["num_speculative_tokens"]) == ("ngram", 4)


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
def test_who_asks_for_nothing_gets_the_prompt_of_training_and_the_answer_of_the_evaluation(
    settings: ServerSettings,
) -> None:
    flags = command(settings).flags
    after = dict(itertools.pairwise(flags))
    asked = chat_request("m", [], [], max_tokens=1, tool_choice="none")
    assert json.loads(after["--default-chat-template-kwargs"]) == asked["chat_template_kwargs"]
    assert json.loads(after["--override-generation-config"]) == {"temperature": asked["temperature"]}
    assert after["--generation-config"] == "vllm"  # not the temperature and top-k of the checkpoint's file


def test_the_engine_has_the_threads_of_the_settings_else_one_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    assert THREADS_VARIABLE not in command(CPU).environment
    given = command(CPU.model_copy(update={"threads": 3})).environment
    assert given[THREADS_VARIABLE] == "3"
    assert given["OMP_NUM_THREADS"] == "1"  # until the engine is forked
    monkeypatch.setenv(THREADS_VARIABLE, "3")
    assert engine_threads() == 3
    monkeypatch.delenv(THREADS_VARIABLE)
    for cores, allowed, expected in ((4, 8, 4), (4, 2, 2), (None, 2, 1)):
        monkeypatch.setattr("psutil.cpu_count", lambda logical, cores=cores: cores)
        monkeypatch.setattr("os.sched_getaffinity", lambda pid, allowed=allowed: set(range(allowed)))
        assert engine_threads() == expected


@pytest.mark.parametrize("settings", [CPU, GPU], ids=["cpu", "cuda"])
def test_nothing_is_fetched_nor_sent_home(settings: ServerSettings) -> None:
    quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_SERVER_DEV_MODE": "0"}
    assert command(settings).environment.items() >= quiet.items()


def test_a_container_gets_a_home_for_caches() -> None:
    assert "HOME" not in command(GPU).environment
    inside = {"HOME": "/tmp", "USER": "vllm", "VLLM_CACHE_ROOT": "/tmp/vllm"}
    assert command(GPU, home="/tmp").environment.items() >= inside.items()
