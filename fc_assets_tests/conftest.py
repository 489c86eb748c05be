"""What holds for all tests: threads of torch that wait do not spin, as in the product's own child processes.

Set before anything imports torch: on cores that something else uses as well, spinning threads slow a test ten times.
"""

import os

from fc_assets.foundation.resources import CHILD_ENVIRONMENT

os.environ.setdefault("OMP_WAIT_POLICY", CHILD_ENVIRONMENT["OMP_WAIT_POLICY"])
