"""`python -m fc_assets.edge chat FILE.gguf`: the same as `fc-assets chat`."""

import sys

from fc_assets.edge.cli import main
from fc_assets.errors import FcAssetsError

if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except FcAssetsError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
