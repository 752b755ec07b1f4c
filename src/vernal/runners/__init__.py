"""Where nodes run: `kedro run --runner=vernal.runners.DaskRunner` uses many machines."""

from vernal.runners.dask_runner import DaskRunner

__all__ = ["DaskRunner"]
