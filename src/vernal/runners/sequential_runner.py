"""Kedro's sequential runner, which passes over what stands: the runner of `kedro run`."""

import logging
from collections import Counter
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner as KedroSequentialRunner
from kedro.runner.task import Task

from vernal.common.workers import keeping_workers
from vernal.runners.standing import Standing, tell


class SequentialRunner(KedroSequentialRunner):
    """One node after the other; a node whose results stand (see `vernal.runners.standing`) is not run again."""

    @property
    def _logger(self) -> logging.Logger:
        return logging.getLogger("kedro.runner")

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: Any = None,
        run_id: str | None = None,
    ) -> None:
        standing, done = Standing(catalog), set[Node]()
        loads = Counter(name for node in pipeline.nodes for name in node.inputs)
        with keeping_workers():
            for node in pipeline.nodes:
                try:
                    key = standing.key(node)
                    if standing.stands(node, key):
                        tell(hook_manager, "node_stands", node=node)
                    else:
                        Task(node, catalog, self._is_async, hook_manager, run_id).execute()
                        standing.note(node, key)
                except Exception:
                    self._suggest_resume_scenario(pipeline, done, catalog)
                    raise
                done.add(node)
                self._release_datasets(node, catalog, loads, pipeline)
