"""The whole profile, and how one is read and checked. Its sections are the modules beside this one."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from fc_assets.errors import FcAssetsError
from fc_assets.profiles.benchmark import BenchmarkSettings
from fc_assets.profiles.cluster import KubernetesSettings
from fc_assets.profiles.data import DataSettings
from fc_assets.profiles.edge import EdgeSettings
from fc_assets.profiles.evaluation import BfclSettings, EvaluationSettings, GateSettings
from fc_assets.profiles.extending import extended
from fc_assets.profiles.release import DeploymentSettings, HubSettings
from fc_assets.profiles.sections import Section
from fc_assets.profiles.serving import ServerSettings
from fc_assets.profiles.training import BaseModelSettings, DpoSettings, GrpoSettings, SftSettings, TrackerSettings

PROFILE_VARIABLE = "FC_PROFILE"
DEFAULT_PROFILE = "demo"
PROFILES = Path(__file__).parent


class Profile(Section):
    """All settings of one run."""

    name: str = Field(description="Name of its file; its homes and its runs are called by it.")
    description: str = Field(description="One sentence: for which machine or purpose it is.")
    data: DataSettings = DataSettings()
    base_model: BaseModelSettings = BaseModelSettings()
    sft: SftSettings = SftSettings()
    grpo: GrpoSettings = GrpoSettings()
    dpo: DpoSettings = DpoSettings()
    trackers: TrackerSettings = TrackerSettings()
    server: ServerSettings = ServerSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    bfcl: BfclSettings = BfclSettings()
    gates: GateSettings = GateSettings()
    benchmark: BenchmarkSettings = BenchmarkSettings()
    edge: EdgeSettings = EdgeSettings()
    deployment: DeploymentSettings = DeploymentSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    hub: HubSettings = HubSettings()


def profile_names() -> list[str]:
    """The profiles that ship with the package."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def parse_profile(values: object, source: str) -> Profile:
    """Validate `values`; raise `FcAssetsError` naming `source` and every field that is wrong."""
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {_complaint(item['type'], item['msg'])}"
            for item in error.errors()
        )
        raise FcAssetsError(f"Profile {source} is not valid: {wrong}. Correct these fields and start again") from None


def _complaint(kind: str, message: str) -> str:
    return "unknown key, remove it or correct its spelling" if kind == "extra_forbidden" else message


def load_profile(name: str | None = None) -> Profile:
    """The profile called `name`, else the one named by `$FC_PROFILE`, else `demo`. A path to a YAML file works too.

    A file may leave its `name` out, and may extend another profile. Raises `FcAssetsError`.
    """
    name = name or os.environ.get(PROFILE_VARIABLE) or DEFAULT_PROFILE
    file = _file(name, Path())
    if not file.is_file():
        raise FcAssetsError(
            f"There is no profile {name!r}: set {PROFILE_VARIABLE} to one of {', '.join(profile_names())}, "
            "or to the path of a YAML file"
        )
    values = extended(_read(file), file, _read_extended)
    if isinstance(values, dict):
        values = {"name": file.stem, **values}
    return _named_as_its_file(parse_profile(values, file.name), file)


def _file(name: str, folder: Path) -> Path:
    return folder / name if name.endswith((".yaml", ".yml")) else PROFILES / f"{name}.yaml"


def _read_extended(name: str, by: Path) -> tuple[object, Path]:
    file = _file(name, by.parent)
    if not file.is_file():
        raise FcAssetsError(
            f"Profile {by} extends {name!r}, which does not exist: write one of {', '.join(profile_names())}, "
            "or the path of a YAML file, relative to this one"
        )
    return _read(file), file


def _read(file: Path) -> object:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise FcAssetsError(
            f"Profile {file} is not text in UTF-8 (byte {error.start}): save it in that encoding and start again"
        ) from None
    except RecursionError:
        raise FcAssetsError(
            f"Profile {file} is nested too deeply: a profile has no more than some four levels"
        ) from None
    except (yaml.YAMLError, ValueError) as error:  # a date or a number that is none is a ValueError
        raise FcAssetsError(f"Profile {file} is not YAML: {error}; correct it and start again") from None


def _named_as_its_file(profile: Profile, file: Path) -> Profile:
    """The profile; its name is that of its home and of its runs, so a copy of a profile must not keep the name."""
    if profile.name != file.stem:
        raise FcAssetsError(
            f"Profile {file} has the name {profile.name!r}, which is not that of its file: "
            f"write `name: {file.stem}`, because its runs and its home are called by that name"
        )
    return profile
