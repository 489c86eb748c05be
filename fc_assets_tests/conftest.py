"""What holds for all tests: threads of torch that wait do not spin, and no example of hypothesis has a deadline.

The first as in the product's own child processes, and set before anything imports torch: on cores that something else
uses as well, spinning threads slow a test ten times. A deadline would measure that too, and not the code.
"""

import os

from hypothesis import settings

from fc_assets.foundation.resources import CHILD_ENVIRONMENT

os.environ.setdefault("OMP_WAIT_POLICY", CHILD_ENVIRONMENT["OMP_WAIT_POLICY"])
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")
