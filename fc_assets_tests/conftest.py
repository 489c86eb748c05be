"""What holds for all tests: threads of torch that wait do not spin, no example of hypothesis has a deadline, and what
shares something runs in one process.

The first as in the product's own child processes, and set before anything imports torch: on cores that something else
uses as well, spinning threads slow a test ten times. A deadline would measure that too, and not the code. With
`pytest -n 2 --dist loadgroup` a module's tests stay together, because they share its homes and servers; so do all tests
that need the Docker engine, because they share its ports and networks.
"""

import os

import pytest
from hypothesis import settings

from fc_assets.foundation.resources import CHILD_ENVIRONMENT

os.environ.setdefault("OMP_WAIT_POLICY", CHILD_ENVIRONMENT["OMP_WAIT_POLICY"])
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        group = "docker" if item.get_closest_marker("docker") else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
