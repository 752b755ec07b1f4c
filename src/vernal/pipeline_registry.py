"""The project's pipelines by name, each built when somebody asks for it.

Every folder of `vernal.pipelines` is a pipeline of its own; every file `conf/sweeps/<stage>.yml` is a
stage. Listing the names imports nothing, which keeps `kedro registry list` quick.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kedro.pipeline import Pipeline

from vernal.framework.kedro_compat import LazyPipelines
from vernal.pipelines import DATA_PREPARATION

STAGE_PARTS = ("planning", "balancing", "training", "evaluation", "proof", "reporting")
BASELINE = "baseline"
# Pipelines that stand on a folder of `vernal.studies`, and go with it.
STUDIES = ("audit", "features", "published")


def stages_on_disk(folder: Path | None = None) -> list[str]:
    """Names of the stages: one a spec file in `conf/sweeps`, sorted."""
    return sorted(path.stem for path in (folder or sweeps_folder()).glob("*.yml"))


def sweeps_folder() -> Path:
    """The folder of stage specs of the project that is being run."""
    from kedro.utils import find_kedro_project

    project = find_kedro_project(Path.cwd()) or Path(__file__).resolve().parents[2]
    return Path(project) / "conf" / "sweeps"


def data_preparation() -> Pipeline:
    """From recordings to curated subsets: what every stage stands on."""
    return sum((package(name) for name in DATA_PREPARATION), Pipeline([]))


def package_names() -> list[str]:
    """Names of the packages of `vernal.pipelines`, sorted; those of studies whose folder was deleted left out."""
    here = Path(__file__).parent
    absent = set(STUDIES) - _packages_in(here / "studies")
    return sorted(_packages_in(here / "pipelines") - absent)


def _packages_in(folder: Path) -> set[str]:
    return {module.name for module in pkgutil.iter_modules([str(folder)]) if module.ispkg}


def package(name: str) -> Pipeline:
    """The pipeline of one package of `vernal.pipelines`, its nodes under its name so that it folds in Kedro-Viz."""
    pipeline = importlib.import_module(f"vernal.pipelines.{name}").create_pipeline()
    if any(node.namespace for node in pipeline.nodes):
        return pipeline
    # What it reads and writes is shared with other pipelines and keeps its plain name.
    return Pipeline(pipeline, namespace=name, prefix_datasets_with_namespace=False)


def stage(name: str) -> Pipeline:
    """Data preparation followed by one stage under its own namespace."""
    parts = (
        importlib.import_module(f"vernal.pipelines.{part}").create_pipeline(name) for part in STAGE_PARTS
    )
    return sum(parts, data_preparation())


def register_pipelines() -> dict[str, Pipeline]:
    """All pipelines by name; `__default__` prepares the data and runs the one-point stage `baseline`."""
    builders: dict[str, Callable[[], Pipeline]] = {name: partial(package, name) for name in package_names()}
    builders |= {name: partial(stage, name) for name in stages_on_disk()}
    builders["__default__"] = partial(stage, BASELINE)
    return LazyPipelines(builders)
