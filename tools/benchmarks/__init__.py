"""Measurements for the documentation: pages from what `kedro bench` measured, and workers of a Dask cluster."""
