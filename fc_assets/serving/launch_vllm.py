"""vLLM's API server on CPU, started in half the usual time: `python -m fc_assets.serving.launch_vllm [vLLM flags]`.

Importing vLLM takes most of its start. Its CPU platform insists on spawning the engine, which then imports everything
a second time; here the engine is forked from the API server, which has imported it already. That is safe while no
thread pool exists: the API server computes nothing and is held to one OpenMP thread, and the engine gets its threads
after the fork, `$FC_ENGINE_THREADS` of them. On a GPU start `vllm.entrypoints.openai.api_server` itself. Flags are
chosen in `vllm_command`, waiting and ending is in `server`.
"""

from __future__ import annotations

import functools
import os

FORK_ENVIRONMENT = {
    # The engine runs in the forked process itself instead of one more worker below it.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # libgomp's threads do not survive a fork, nor do those of the tokenizers.
    "OMP_NUM_THREADS": "1",
    # Threads that spin while they wait take the cores from the client, and from each other.
    "OMP_WAIT_POLICY": "passive",
    "TOKENIZERS_PARALLELISM": "false",
}
"""What must be set before the interpreter starts."""

FORK_FLAGS = ("--distributed-executor-backend", "uni")

THREADS_VARIABLE = "FC_ENGINE_THREADS"
"""Holds the number of threads that the engine computes with; without it, one for each physical core it may use."""


def engine_threads() -> int:
    """How many threads the engine computes with."""
    if given := os.environ.get(THREADS_VARIABLE):
        return int(given)
    import psutil  # the definitions load without it

    # Two threads of one core share its arithmetic units, so that a second one gains nothing.
    return min(psutil.cpu_count(logical=False) or 1, len(os.sched_getaffinity(0)))


def compute_with(threads: int) -> None:
    """Let each process that is forked from this one compute with so many threads; this one goes on with its one.

    OMP_NUM_THREADS would be too late: it was read when torch was loaded. No thread is lost, because none is started
    before the fork.
    """
    import torch

    os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, threads))


def main() -> None:
    """Run vLLM's API server with this process's command line."""
    import vllm.v1.engine.core  # noqa: F401  imported here so that the fork inherits it
    from vllm.entrypoints.launchers.api_server.entry import main as serve
    from vllm.platforms import current_platform

    platform = type(current_platform)
    check = platform.check_and_update_config.__func__

    @functools.wraps(check)
    def check_then_fork(cls: type, config: object) -> None:
        check(cls, config)
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"

    platform.check_and_update_config = classmethod(check_then_fork)
    compute_with(engine_threads())
    serve()


if __name__ == "__main__":
    main()
