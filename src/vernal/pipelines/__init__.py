"""The pipelines: each a package of `pipeline.py` (names and wiring) and `nodes.py` (thin functions)."""

# What every stage stands on, in the order of the work.
DATA_PREPARATION = ("demo", "ingest", "quality_splitting", "embedding", "mining", "curation")
