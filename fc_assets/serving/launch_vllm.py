"""vLLM's API server on CPU, started in half the usual time: `python -m fc_assets.serving.launch_vllm [vLLM flags]`.

Importing vLLM takes most of its start. Its CPU platform insists on spawning the engine, which then imports everything
a second time; here the engine is forked from the API server, which has imported it already. Safe on CPU with one
OpenMP thread, because no thread pool exists yet when the fork happens; on a GPU start
`vllm.entrypoints.openai.api_server` itself. Flags are chosen in `vllm_command`, waiting and ending is in `server`.
"""

from __future__ import annotations

import functools
import os

FORK_ENVIRONMENT = {
    # The engine runs in the forked process itself instead of one more worker below it.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # libgomp's threads do not survive a fork, nor do those of the tokenizers.
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""What must be set before the interpreter starts."""

FORK_FLAGS = ("--distributed-executor-backend", "uni")


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
    serve()


if __name__ == "__main__":
    main()
