"""How vLLM's API server is started: the one command line and environment, on this machine and in a container.

Nothing is started here: `server` does that for a block of Python, the Compose stack for users.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from fc_assets.profiles import ServerSettings
from fc_assets.serving import launch_vllm
from fc_assets.serving.chat import TEMPLATE_OPTIONS

_GPU_MODULE = "vllm.entrypoints.openai.api_server"
_CPU_MODULE = launch_vllm.__name__

SAME_AS_TRAINED_FLAGS = (
    *("--default-chat-template-kwargs", json.dumps(TEMPLATE_OPTIONS)),
    *("--generation-config", "vllm"),
    *("--override-generation-config", json.dumps({"temperature": 0.0})),
)
"""What a client gets that asks for nothing else: the prompt of the training, and the greedy answer of the evaluation.

Without them the chat template lets the model think, and vLLM samples as the checkpoint's generation_config.json says
(Qwen3: temperature 0.6, top-k 20). The stop tokens in that file hold all the same: vLLM reads them in any case.
"""


_NGRAM_LENGTHS = {"prompt_lookup_min": 2, "prompt_lookup_max": 4}
"""Tokens that must be the same before a guess: a shorter match is mostly chance, a longer one is rare."""


@dataclass(frozen=True)
class VllmCommand:
    """`python -m MODULE FLAGS`, with the variables of `environment` set."""

    module: str
    flags: list[str]
    environment: dict[str, str]

    @property
    def argv(self) -> list[str]:
        """The words after the interpreter."""
        return ["-m", self.module, *self.flags]


def vllm_command(
    settings: ServerSettings, model: str, names: Sequence[str], host: str, port: int, *, home: str = ""
) -> VllmCommand:
    """The command that serves the checkpoint folder `model` under all of `names` on `host` and `port`.

    `home` is a folder for home and caches where the user has none, as in a container. The server's key is no part of
    the command: who starts it sets VLLM_API_KEY where one is wanted.
    """
    flags = [
        *("--model", model, "--host", host, "--port", str(port), "--served-model-name", *names),
        "--disable-uvicorn-access-log",
        *flags_for(settings),
    ]
    environment = {"HF_HUB_OFFLINE": "1"}
    if home:
        # PyTorch's compile cache asks for a user's name, and a container's user has none.
        environment |= {"HOME": home, "USER": "vllm", "VLLM_CACHE_ROOT": f"{home}/vllm"}
    environment |= {"VLLM_NO_USAGE_STATS": "1", "VLLM_SERVER_DEV_MODE": "0"}
    if settings.device == "cuda":
        return VllmCommand(_GPU_MODULE, flags, environment)
    environment |= {**launch_vllm.FORK_ENVIRONMENT, "VLLM_CPU_KVCACHE_SPACE": str(settings.kv_cache_gib)}
    if settings.threads:
        environment[launch_vllm.THREADS_VARIABLE] = str(settings.threads)
    return VllmCommand(_CPU_MODULE, [*flags, *launch_vllm.FORK_FLAGS], environment)


def flags_for(settings: ServerSettings) -> list[str]:
    """vLLM's flags for these settings, without model, names, host and port."""
    flags = [
        *("--dtype", settings.dtype),
        *("--max-model-len", str(settings.max_model_len)),
        *("--max-num-seqs", str(settings.max_num_seqs)),
        *("--max-num-batched-tokens", str(settings.max_num_batched_tokens)),
        *("--tool-call-parser", settings.tool_call_parser),
        "--enable-auto-tool-choice",
        *SAME_AS_TRAINED_FLAGS,
    ]
    if not settings.prefix_caching:
        flags.append("--no-enable-prefix-caching")
    if settings.ngram_tokens:
        guess = {"method": "ngram", "num_speculative_tokens": settings.ngram_tokens, **_NGRAM_LENGTHS}
        flags += ["--speculative-config", json.dumps(guess)]
    if settings.enforce_eager:
        flags.append("--enforce-eager")
    if settings.device == "cuda":
        flags += ["--gpu-memory-utilization", str(settings.gpu_memory_share)]
    return flags
