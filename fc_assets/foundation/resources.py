"""What assets are given by Dagster: the profile of the run, the artefact store, and child processes with Pipes.

`Runtime` is how a step turns a folder into an artefact and an artefact into a materialisation; `ArtifactIOManager`
is how the next step gets it back, verified. No stage's work belongs here.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel

from fc_assets.errors import FcAssetsError
from fc_assets.foundation import resume_folders
from fc_assets.foundation.artifacts import Artifact, ArtifactStore, default_home
from fc_assets.foundation.child_processes import parent_watch, processes
from fc_assets.foundation.child_processes.jobs import Job, Result, write_job
from fc_assets.foundation.dead_runs import worker_tag
from fc_assets.foundation.failures import ERROR_KIND
from fc_assets.foundation.filesystem.refusals import no_space
from fc_assets.foundation.json_files import finite, write_json
from fc_assets.foundation.metadata import describe, record_of
from fc_assets.foundation.presentation.launchpad import config_schema
from fc_assets.names import REPORT
from fc_assets.profiles import (
    ORIGIN,
    Profile,
    Settings,
    differences,
    load_profile,
    parse_profile,
    recorded_sections,
    settings_digest,
    settings_of,
)

# Dagster remarks on a function that only Dagster itself calls.
warnings.filterwarnings("ignore", "Function `PipesMessageReader.expected_writer_count`", dg.PreviewWarning)

CHILD_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    # Threads that spin while they wait made training ten times slower on cores that something else used as well.
    "OMP_WAIT_POLICY": "passive",
}


CODE_VERSION_TAG = "dagster/code_version"
"""Dagster's own tag, by which it tells whether an asset is stale."""
SETTINGS_MARK = "+"
"""Between the two halves of a version: code, settings."""
PROFILE_TAG = "fc_assets/profile"
"""On every run: the profile whose settings it used."""
_DIGITS = 12
_SHOWN_DIFFERENCES = 3


class StepError(dg.Failure):
    """A failed step that a retry cannot heal: its sentence comes first, on the page and on the terminal.

    To be raised `from None`: the place in the code says nothing to those who can put it right, and Dagster would print
    the traces of both errors after the sentence, twice. What kind of error it was is in its metadata.
    """

    def __init__(self, message: str, cause: FcAssetsError | None = None) -> None:
        kind = {ERROR_KIND: type(cause).__name__} if cause else None
        super().__init__(description=message, metadata=kind, allow_retries=False)


def profile_resource(profile: Profile) -> dg.ResourceDefinition:
    """The profile as a resource whose every field can be overridden: `resources: {profile: {config: ...}}`."""

    @dg.resource(config_schema=config_schema(profile), description=f"{profile.name}: {profile.description}")
    def build(context: dg.InitResourceContext) -> Profile:
        found = parse_profile(context.resource_config, f"{profile.name} with the run's overrides")
        if found.dpo.enabled != profile.dpo.enabled:
            raise FcAssetsError(
                f"This run sets dpo.enabled to {str(found.dpo.enabled).lower()}, which no run can change: the graph is "
                f"built when the code location is loaded. Set it in profile {profile.name} and load the location again"
            )
        return found

    return build


class ArtifactIOManager(dg.IOManager):
    """Hands an asset's latest artefact to the next step, after reading every byte of it again.

    Nothing is stored here: a step publishes its own folder. Which artefact is the latest is read from the instance,
    so that an asset can be materialised alone, in another run or on another day.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def handle_output(self, context: dg.OutputContext, obj: Artifact) -> None:
        if not isinstance(obj, Artifact):
            raise FcAssetsError(f"{context.asset_key.to_user_string()} returned no artefact: publish its folder first")

    def load_input(self, context: dg.InputContext) -> Artifact:
        try:
            return self.runtime.latest(context.instance, context.asset_key)
        except FcAssetsError as error:
            raise StepError(str(error), error) from None


def latest_artifact(instance: dg.DagsterInstance, store: ArtifactStore, key: dg.AssetKey) -> Artifact:
    """The artefact of the latest materialisation of `key`, verified byte by byte, as that materialisation describes it.

    The same bytes may have been made more than once, from other inputs or settings: what counts is the latest record.
    """
    name = key.to_user_string()
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    if materialization is None:
        raise FcAssetsError(f"{name} has not been materialised yet; materialise it first")
    recorded = record_of(materialization)
    return replace(
        store.open(name, recorded.digest),
        inputs=recorded.inputs,
        code_version=recorded.code_version,
        profile=recorded.profile,
        settings=recorded.settings,
    )


@dataclass(frozen=True)
class AssetStep:
    """One step's folders. What is written into `out` becomes the artefact; `scratch` is thrown away.

    What says how this run went (times, memory) goes into `records`, which is kept beside the artefact and in no digest.
    """

    key: dg.AssetKey
    out: Path
    scratch: Path
    records: Path
    store: ArtifactStore
    profile: Profile
    code_version: str
    run_id: str

    def publish(
        self,
        inputs: Sequence[Artifact],
        metadata: Mapping[str, object],
        check_results: Sequence[dg.AssetCheckResult] = (),
        report: Mapping[str, object] | BaseModel | None = None,
        resume: Path | None = None,
    ) -> dg.MaterializeResult[Artifact]:
        """Publish `out` and describe it: lineage, digest as data version, settings, and the stage's own metadata.

        A `report` is what the step's own process returned; it is kept in the artefact as `report.json`, for checks
        and for later readers, so it must hold nothing that differs when the same work is done again. `resume` is the
        folder that an attempt could go on from: it stays until Dagster has recorded what is returned here.
        """
        if report is not None:
            write_json(self.out / REPORT, report.model_dump(mode="json") if isinstance(report, BaseModel) else report)
        name = self.key.to_user_string()
        own = settings_of(self.profile, name)
        code = self.code_version.partition(SETTINGS_MARK)[0]
        artifact = self.store.publish(
            name,
            self.out,
            inputs={artifact.asset: artifact.digest for artifact in inputs},
            code_version=code,
            profile=self.profile.name,
            settings={**_inherited(inputs), **own},
        )
        self._keep_records(artifact)
        if resume is not None:
            resume_folders.note_published(resume, name, self.run_id)
        return dg.MaterializeResult(
            asset_key=self.key,
            value=artifact,
            data_version=dg.DataVersion(artifact.digest),
            metadata={
                **finite(dict(metadata)),
                **describe(artifact, self.store.home),
                "all_versions_mb": self.store.disk_use(name) / 1e6,
            },
            check_results=list(check_results),
            # Dagster would record the definition's version, made from the location's settings: an asset made with
            # other ones in the launchpad would then look fresh.
            tags={CODE_VERSION_TAG: versioned(code, own)},
        )

    def _keep_records(self, artifact: Artifact) -> None:
        if any(self.records.iterdir()):
            kept = self.store.record_folder(artifact.asset, artifact.digest, self.run_id)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(kept, ignore_errors=True)  # of an earlier attempt in the same run
            self.records.replace(kept)


def _is_recorded(instance: dg.DagsterInstance, published: resume_folders.Publication) -> bool:
    """Whether the materialisation that a run has published is in the instance: its step ends before it is."""
    event = instance.get_latest_materialization_event(dg.AssetKey.from_user_string(published.asset))
    return event is not None and event.run_id == published.run


def _inherited(inputs: Sequence[Artifact]) -> dict[str, Any]:
    """The sections of the origin (data, base model) that the inputs were made with."""
    return {
        section: artifact.settings[section] for section in ORIGIN for artifact in inputs if section in artifact.settings
    }


def versioned(code: str, settings: Settings) -> str:
    """An asset's version as Dagster compares it: of its code, and of the settings that it is made with."""
    return f"{code}{SETTINGS_MARK}{settings_digest(settings)[:_DIGITS]}"


@dataclass(frozen=True)
class Runtime:
    """What a step works with: the artefact store, the profile, and child processes that report through Pipes."""

    store: ArtifactStore
    profile: Profile

    def latest(self, instance: dg.DagsterInstance, key: dg.AssetKey) -> Artifact:
        """`latest_artifact`, refused when its data set or base model is another than this run's settings name."""
        artifact = latest_artifact(instance, self.store, key)
        wanted = recorded_sections(self.profile, ORIGIN)
        if found := differences(
            {name: artifact.settings[name] for name in ORIGIN if name in artifact.settings}, wanted
        ):
            shown = "; ".join(found[:_SHOWN_DIFFERENCES]) + ("; ..." if len(found) > _SHOWN_DIFFERENCES else "")
            raise FcAssetsError(
                f"{artifact.asset} was made by profile {artifact.profile} with other settings than this run's "
                f"({self.profile.name}): {shown}. Materialise {artifact.asset} and what it is made from again, or run "
                "with the settings that made it"
            )
        return artifact

    @contextlib.contextmanager
    def step(self, context: dg.AssetExecutionContext, key: dg.AssetKey | None = None) -> Iterator[AssetStep]:
        """Folders for making the asset `key` (default: the context's only one); gone when the block is left.

        Errors for people become `StepError`.
        """
        parent_watch.end_with_the_worker()
        processes.sweep_temporary_folders()
        resume_folders.sweep_recorded(self.store.home, functools.partial(_is_recorded, context.instance))
        key = key or context.asset_key
        version = context.assets_def.code_versions_by_key.get(key)
        context.instance.add_run_tags(context.run.run_id, {PROFILE_TAG: self.profile.name, **worker_tag()})
        try:
            with self.store.workspace(key.to_user_string()) as folder:
                out, scratch, records = folder / "out", folder / "scratch", folder / "records"
                for made in (out, scratch, records):
                    made.mkdir()
                run = context.run.run_id
                step = AssetStep(key, out, scratch, records, self.store, self.profile, version or "", run)
                yield step
        except FcAssetsError as error:
            raise StepError(f"{key.to_user_string()}: {error}", error) from None

    def resume_folder(self, key: dg.AssetKey, inputs: Sequence[Artifact], settings: BaseModel) -> Path:
        """Where a killed attempt at the same work (same inputs, same settings) left what can be resumed."""
        identity = {"inputs": {artifact.asset: artifact.digest for artifact in inputs}, **settings.model_dump()}
        return self.store.resume_folder(key.to_user_string(), identity)

    def log_file(self, context: dg.AssetExecutionContext, name: str) -> Path:
        """Where a child's output goes: kept after the run, beside the other logs of the same run."""
        return self._logs(context) / f"{name.replace('/', '-')}.log"

    @contextlib.contextmanager
    def kept_if_it_fails(self, context: dg.AssetExecutionContext, file: Path) -> Iterator[None]:
        """Keep `file`, which the block writes, beside the logs of the run when the block raises `FcAssetsError`.

        The step's own folder is gone then. The error says where the copy lies.
        """
        try:
            yield
        except FcAssetsError as error:
            if not file.is_file():
                raise
            kept = self._logs(context) / file.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, kept)
            raise FcAssetsError(f"{error}. All that was found is in {kept}") from error

    def _logs(self, context: dg.AssetExecutionContext) -> Path:
        return self.store.home / "logs" / context.run.run_id

    def run_job(
        self,
        context: dg.AssetExecutionContext,
        job: Job[Result],
        scratch: Path,
        env: Mapping[str, str] | None = None,
        launcher: Sequence[str] = (),
    ) -> Result:
        """Do `job` in a process of its own and return its result; the contract is `child_processes.jobs`.

        The process's log messages reach the run's log through Dagster Pipes. Raises `FcAssetsError` with the log's
        tail when it fails, whatever the reason.
        """
        files = write_job(job, scratch, launcher)
        self._run(context, job.module, files.argv, env, scratch)
        return files.result()

    def _run(
        self,
        context: dg.AssetExecutionContext,
        module: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None,
        scratch: Path,
    ) -> None:
        log = self.log_file(context, module)
        with dg.open_pipes_session(
            context=context.op_execution_context,
            # In the step's own folder, which is swept: Dagster's temporary ones survive a KILL.
            context_injector=dg.PipesFileContextInjector(str(scratch / f"{module}.context")),
            message_reader=dg.PipesFileMessageReader(str(scratch / f"{module}.messages")),
        ) as session:
            environment = {**CHILD_ENVIRONMENT, **session.get_bootstrap_env_vars(), **(env or {})}
            with processes.running(module, argv, log=log, env=environment) as child:
                code = child.wait()
        if code == 0:
            return
        *_, last = child.log_tail().splitlines() or [""]
        if last.startswith("error: "):
            raise FcAssetsError(last.removeprefix("error: "))
        if full := no_space(self.store.home, f"{module} was at work"):
            raise full
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        if last.startswith(processes.MEMORY_NOTE):
            ended += f" ({last})"
        raise FcAssetsError(
            f"{module} {ended}; nothing was published, so materialise again once the cause is gone. "
            f"Its log is {log}, and ends:\n{child.log_tail()}"
        )


def with_settings(assets: Sequence[dg.AssetsDefinition], profile: Profile) -> list[dg.AssetsDefinition]:
    """The assets, each versioned by its code and by the sections of `profile` that make it, and labelled with it."""

    def labelled(spec: dg.AssetSpec) -> dg.AssetSpec:
        version = versioned(spec.code_version or "", settings_of(profile, spec.key.to_user_string()))
        return spec.replace_attributes(code_version=version).merge_attributes(metadata={"active_profile": profile.name})

    return [definition.map_asset_specs(labelled) for definition in assets]


def build_resources(profile: Profile | None = None, home: Path | None = None) -> dict[str, object]:
    """The resources of the code location: profile, runtime, and the IO manager."""
    profile = profile or load_profile()
    store = ArtifactStore(home or default_home(profile.name))

    # Functions, not ConfigurableResources: they have no setting of their own, and the launchpad would offer the home's
    # folder as one, which a run must not change.
    @dg.resource(required_resource_keys={"profile"}, description="Artefact store and child processes of a step.")
    def runtime(context: dg.InitResourceContext) -> Runtime:
        return Runtime(store, context.resources.profile)

    @dg.io_manager(required_resource_keys={"runtime"}, description="Hands artefacts to the next step, verified.")
    def io_manager(context: dg.InitResourceContext) -> ArtifactIOManager:
        return ArtifactIOManager(context.resources.runtime)

    return {"profile": profile_resource(profile), "runtime": runtime, "io_manager": io_manager}
