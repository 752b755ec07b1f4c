"""What makes decisions count: the pipeline that reads those on a queue, and its command."""

from vernal.proof.run_record import last_command
from vernal.web.project import ProjectContext
from vernal.web.review.options import QueueSpec
from vernal.web.review.queues import Queue


def pipeline_of(spec: QueueSpec) -> str:
    """The pipeline that reads the decisions on a queue."""
    if spec.clips == "collection.clips":
        return "collection"
    return "detection" if spec.dataset.startswith("detection.") else "curation"


def command_of(project: ProjectContext, queue: Queue, target: str) -> str:
    """The command that makes the decisions on a queue count: the last of its kind, where there was one.

    Of several targets it is the first one's; each has one of its own.
    """
    root, pipeline = project.data_root, pipeline_of(queue.spec)
    if pipeline != "curation":
        return last_command(root, pipeline)
    params = f"target={target},data_root={root}"
    if queue.classes and queue.classes[0] in project.targets:
        first = queue.classes[0]
        own = project.targets[first].data_root
        params = f"target={first},data_root={own},store_root={project.store_root}"
        return f'kedro run --pipeline=curation --params="{params}"'
    return f'kedro run {curation(project)} --params="{params}"'


def curation(project: ProjectContext) -> str:
    """The option for curation, with the pipelines before it that were not run yet."""
    is_ready = all(project.load_or_none(name) is not None for name in ("splits", "all_clips"))
    return "--pipeline=curation" if is_ready else "--pipelines=quality_splitting,mining,curation"
