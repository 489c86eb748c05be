"""Writes `deploy/k8s` anew from the chart: `python -m scripts.write_k8s`; needs Helm.

They are of the profile `gpu-12gb` with a digest of zeros in the place of a release's; `k8s_bundle` writes those of a
release. A test compares the files with the chart.
"""

from pathlib import Path

from fc_assets.deployment.engine import EngineSpec
from fc_assets.deployment.kubernetes.bundle import manifests
from fc_assets.profiles import load_profile

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "k8s"
PROFILE = "gpu-12gb"
NO_RELEASE = "0" * 64


def files() -> dict[str, str]:
    """Each file's text by its name."""
    profile = load_profile(PROFILE)
    return manifests(EngineSpec(NO_RELEASE, "blue", profile.server), profile)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
