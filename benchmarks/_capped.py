"""`python -m benchmarks._capped SHARE -m MODULE JOB.json`: a job under a cap on what PyTorch may take of the card.

How a large card stands in for a small one. vLLM's own share is a setting and not capped here.
"""

from __future__ import annotations

import runpy
import sys

import torch


def main() -> None:
    """Cap this process's part of the card, then run the module as if it had been started itself."""
    share, _, module, *arguments = sys.argv[1:]
    torch.cuda.set_per_process_memory_fraction(float(share))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
