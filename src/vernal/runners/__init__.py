"""Where nodes run: one after the other, or on many machines with `kedro run --runner=vernal.runners.DaskRunner`."""

from vernal.runners.dask_runner import DaskRunner
from vernal.runners.sequential_runner import SequentialRunner

__all__ = ["DaskRunner", "SequentialRunner"]
