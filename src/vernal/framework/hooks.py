"""What happens around a run: one run at a time on a data folder, a line a node, and a closing word."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from vernal.clips.demo_season import own_recordings
from vernal.common.problems import InputError, Problems
from vernal.common.progress import Step
from vernal.common.storage import below, is_remote
from vernal.pipelines import DATA_PREPARATION

if TYPE_CHECKING:
    import pandas as pd

    from vernal.proof.run_record import RunRecord

logger = logging.getLogger(__name__)
LOCK_NAME = ".vernal.lock"
FILES = "detection.files"
PROBLEM_CARD = "problem_card"


class RunHooks:
    """Lock, progress lines and closing word of a run. Holds nothing between runs."""

    def __init__(self) -> None:
        self._data_root = Path("data")
        self._project = Path()
        self._parameters: dict[str, Any] = {}
        self._lock: Any = None
        self._record: RunRecord | None = None
        self._running: tuple[str, float, Step | None] | None = None
        self._idle: frozenset[str] = frozenset()
        self._n_nodes = 0
        self._n_done = 0

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Note where results go."""
        # Not `context.params`: that would build and check every pipeline before one is asked for.
        self._project = Path(context.project_path)
        self._parameters = dict(context.config_loader["parameters"])
        self._data_root = below(self._project, str(self._parameters["data_root"]))

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Check what a person wrote before hours of work, not after; then take the data folder for this run alone."""
        card = catalog.load(PROBLEM_CARD) if PROBLEM_CARD in pipeline.inputs() else None
        if card is not None and "params:targets" in pipeline.inputs():
            from vernal.collection.collected_manifest import several_classes

            several_classes(self._parameters.get("targets"), card)
        check_encoders(self._parameters, pipeline, catalog)
        from vernal.framework.run_summary import DEFAULT, opening_words

        # Kedro tells nobody of a run that was interrupted; in a notebook its lock would outlive it.
        self._release()
        self._idle = idle_steps([node.name for node in pipeline.nodes], self._parameters)
        self._n_nodes, self._n_done = len(pipeline.nodes) - len(self._idle), 0
        self._lock = take_lock(self._data_root)
        try:
            self._record = start_record(
                self._data_root, self._project, self._parameters, run_params, pipeline
            )
        except InputError:
            self._release()
            raise
        names = run_params.get("pipeline_names") or [DEFAULT]
        told = {**self._parameters, "card_target": getattr(card, "target", None)}
        logger.info("%s", opening_words(self._data_root, names, told, stages_of(pipeline), self._n_nodes))

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Report the node before: only now is everything saved that it gave piece by piece."""
        if self._lock is None:  # on a worker of a cluster: the run is elsewhere, and is told by its runner
            return
        self._report_node()
        is_idle = node.name in self._idle
        step = None if is_idle else Step(f"{self._n_done + 1:3d}/{self._n_nodes}  {node.name}")
        self._running = (node.name, time.perf_counter(), step)

    @hook_impl
    def after_node_run_elsewhere(self, node: Node, seconds: float) -> None:
        """Report a node that a worker of a cluster has run; called by `vernal.runners`, not by Kedro."""
        self._add_node(node.name, seconds)

    @hook_impl
    def node_stands(self, node: Node) -> None:
        """Report a node that was passed over; called by `vernal.runners`, not by Kedro."""
        self._report_node()
        if node.name not in self._idle:
            self._n_done += 1
            logger.info("%3d/%d  %-42s  stands", self._n_done, self._n_nodes, node.name)

    def _report_node(self) -> None:
        if self._running is None:
            return
        name, started, _ = self._running
        self._stop_showing()
        self._add_node(name, time.perf_counter() - started)

    def _stop_showing(self) -> None:
        if self._running is not None and self._running[2] is not None:
            self._running[2].end()
        self._running = None

    def _add_node(self, name: str, seconds: float) -> None:
        if name in self._idle:
            return
        self._n_done += 1
        if self._record is not None:
            self._record.add_node(name, seconds)
        logger.info("%3d/%d  %-42s %6.1f s", self._n_done, self._n_nodes, name, seconds)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Release the folder and name the files to look at."""
        self._report_node()
        from vernal.field.detection.detection_run import refuse_unheard
        from vernal.framework.run_summary import closing_words
        from vernal.proof.certificate import refuse

        written = sorted(pipeline.all_outputs())
        words = closing_words(self._data_root, written)
        if words:
            logger.info("%s", words)

        def load(kind: str) -> dict[str, Any]:
            return {name: catalog.load(name) for name in written if name.endswith(f".{kind}")}

        self._track(load("certificate"))
        problem = first_problem(
            lambda: refuse_failures(load("failures")),
            lambda: refuse(load("certificate")),
            lambda: refuse_unheard(catalog.load(FILES) if FILES in written else None),
        )
        self._end(problem, is_whole=True)
        if problem is not None:
            raise problem

    def _track(self, certificates: dict[str, Any]) -> None:
        """Log the stages that were run to MLflow, where somebody asked for it."""
        if not (self._parameters.get("tracking") or {}).get("enabled"):
            return
        from vernal.proof.tracking import TrackingOptions, log_stage

        options = TrackingOptions(**self._parameters["tracking"])
        for name in sorted(certificates):
            log_stage(self._data_root, name.removesuffix(".certificate"), options)

    @hook_impl
    def on_node_error(self, node: Node) -> None:
        """Note which node it was."""
        if self._record is not None:
            self._record.failed_node = node.name

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        self._end(error, is_whole=False)

    def _end(self, error: Exception | None, is_whole: bool) -> None:
        """Finish the run's record, then let go of the folder."""
        try:
            if self._record is not None:
                self._record.end(error, is_whole)
        except (OSError, ValueError) as problem:
            # A disk that is full must not hide why the run failed.
            logger.warning("The record of this run could not be written (%s).", problem)
        finally:
            self._record = None
            self._release()

    def _release(self) -> None:
        self._stop_showing()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def take_lock(data_root: Path) -> Any:
    """Lock a data folder; the lock ends with the process, however it ends.

    Raises:
        InputError: the folder cannot be written, or another run holds it.
    """
    from filelock import FileLock, Timeout

    if is_remote(data_root):
        return take_storage_lock(data_root)
    try:
        data_root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(data_root / LOCK_NAME)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"Another run is at work in {data_root}. Wait until it ends, or give this one a folder of its own "
            "with --params=data_root=..."
        ) from error
    except OSError as error:
        raise InputError(
            f"The data folder {data_root} cannot be written ({error.strerror}). Free or unlock it, or name "
            "another with --params=data_root=..."
        ) from error
    return lock


def take_storage_lock(data_root: Path) -> Any:
    """Lock a data folder of an object store; see `vernal.common.storage_lock`.

    Raises:
        InputError: the store fails, or another run holds the folder.
    """
    from vernal.common.storage_lock import StorageLock

    lock = StorageLock(data_root / LOCK_NAME)
    lock.acquire()
    return lock


def start_record(
    data_root: Path,
    project: Path,
    parameters: dict[str, Any],
    run_params: Mapping[str, Any],
    pipeline: Pipeline,
) -> "RunRecord":
    """Begin the record of a run (see `vernal.proof.run_record`)."""
    from vernal.framework.run_summary import DEFAULT
    from vernal.proof.run_record import RunRecord, command_text

    names, stages = run_params.get("pipeline_names") or [DEFAULT], stages_of(pipeline)
    command = command_text(names, run_params.get("env"), run_params.get("runtime_params") or {})
    record = RunRecord(str(run_params["run_id"]), data_root, project, tuple(stages), parameters, command)
    try:
        record.begin()
    except OSError as error:
        raise InputError(
            f"Nothing can be written below {data_root} ({error.strerror}). Free or unlock it, or name another folder "
            "with --params=data_root=..."
        ) from error
    return record


def check_encoders(parameters: Mapping[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Let the encoders that are files, and that the run will embed with, hear a sound (see `networks.check_encoder`).

    Raises:
        InputError: one is not as the parameters describe it.
    """
    if "params:embedding" not in pipeline.inputs() or not parameters.get("encoders"):
        return
    from vernal.audio.embedding.options import EmbeddingOptions
    from vernal.audio.encoders.networks import check_encoder

    options = EmbeddingOptions(**parameters["embedding"])
    specs = [catalog.load(name) for name in sorted(pipeline.inputs()) if name.endswith(".spec")]
    named = {options.encoder}
    for spec in specs:
        named |= {*spec.axes.get("encoder", ()), spec.base_params.get("encoder")}
    for file in options.encoders:
        if file.name in named:
            check_encoder(file)


def idle_steps(names: Iterable[str], parameters: Mapping[str, Any]) -> frozenset[str]:
    """Steps that have nothing to do with what a run was given: the demo's, or those of a season that is not named.

    None where nothing else would be left to show.
    """
    source, collection = (parameters.get(group) or {} for group in ("source", "collection"))
    parts: tuple[str, ...] = ()
    if own_recordings(source):
        parts += ("demo.", "features.plan_companion", "features.render_companion")
    if not source.get("season"):
        parts += (
            "mining.list_season",
            "mining.scan_season",
            "mining.take_season_clips",
            "mining.embed_season_clips",
        )
    if collection.get("inbox"):
        parts += ("collection.make_demo_group", "collection.compare_with_planted")
    names = frozenset(names)
    idle = frozenset(name for name in names if name.startswith(parts)) if parts else frozenset()
    return idle if idle != names else frozenset()


def stages_of(pipeline: Pipeline) -> list[str]:
    """Stages that a pipeline runs, without what prepares their data."""
    namespaces = {node.namespace.partition(".")[0] for node in pipeline.nodes if node.namespace}
    return sorted(namespaces.difference(DATA_PREPARATION))


def first_problem(*checks: Callable[[], None]) -> InputError | None:
    """Run every check; what they say against the run as one error, or None.

    Every check is run, so that a failed point does not hide a failed certificate.
    """
    found = []
    for check in checks:
        try:
            check()
        except InputError as error:
            found.append(error)
    if not found:
        return None
    said = InputError("\n".join(map(str, found)))
    if any(error.whole for error in found):
        said.whole = "\n".join(error.whole or str(error) for error in found)
    return said


def refuse_failures(failures: "Mapping[str, pd.DataFrame]") -> None:
    """End a run with an error when points failed; the others are finished and reported by then.

    Args:
        failures: by dataset, `point`, `step` (empty for a point that nobody asked for) and `message`.
    Raises:
        InputError: names the failed points and their reasons.
    """
    problems = Problems("The run")
    for name, table in failures.items():
        failed = table[table.step.fillna("") != ""]
        cases = [f"{row.point} ({row.step}): {row.message}" for row in failed.itertuples()]
        problems.add(
            f"failed point of {name.removesuffix('.failures')}", cases, "The other points are finished."
        )
    problems.raise_if_any()
