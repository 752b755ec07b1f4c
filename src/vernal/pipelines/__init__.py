"""The pipelines: each a package of `pipeline.py` (names and wiring) and `nodes.py` (thin functions)."""
