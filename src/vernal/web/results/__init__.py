"""Results to look at and sweeps to put together.

Pages show what runs have written. Nothing is measured anew but the difference of two points, and nothing is started or
written without a request that names it.
"""
