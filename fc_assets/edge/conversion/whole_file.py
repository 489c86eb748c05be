"""A file that is there whole or not at all. What is written into it belongs to `writer` and `adapter`."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from fc_assets.errors import FcAssetsError


@contextlib.contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """The path to write to: it becomes `out` when the block ends, and is removed when the block fails.

    Raises `FcAssetsError` where the disk is full or the folder cannot be written to.
    """
    part = out.with_name(f"{out.name}.part")
    try:
        yield part
        part.replace(out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FcAssetsError(f"{out} does not fit on its disk; free some space and run this again") from error
        raise FcAssetsError(f"{out} cannot be written ({error.strerror or error}); choose another folder") from error
    finally:
        part.unlink(missing_ok=True)
