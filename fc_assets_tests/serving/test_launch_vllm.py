"""The engine is forked from a process with one thread and computes with several: it neither hangs nor does with one."""

import os
import subprocess
import sys

from fc_assets.serving.launch_vllm import FORK_ENVIRONMENT

# A product is computed on both sides of the fork: libgomp's pool of the one must not be missed by the other.
PROGRAM = """
import os
import torch
from fc_assets.serving.launch_vllm import compute_with

def compute(who):
    torch.ones(512, 512) @ torch.ones(512, 512)
    alone = len(os.listdir("/proc/self/task")) == 1
    print(who, torch.get_num_threads(), "alone" if alone else "in company", flush=True)

compute_with(3)
compute("server")
child = os.fork()
if not child:
    compute("engine")
    os._exit(0)
raise SystemExit(os.waitpid(child, 0)[1])
"""


def test_the_engine_computes_with_its_threads_and_the_server_with_one() -> None:
    environment = {**os.environ, **FORK_ENVIRONMENT}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["server 1 alone", "engine 3 in company"], done.stderr
