"""Results to look at and sweeps to put together, as pages beside the review.

What a page shows is computed here as plain data from what runs have written: nothing is measured anew but the
difference of two points, and nothing is started or written without a request that names it. No Kedro.
"""
