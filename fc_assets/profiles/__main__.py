"""`python -m fc_assets.profiles`: is the profile that `$FC_PROFILE` names valid? `make ui` asks beforehand."""

import sys

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import load_profile

try:
    load_profile()
except FcAssetsError as error:
    sys.exit(f"error: {error}")
