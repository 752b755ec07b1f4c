"""The lineage in a browser: Kedro-Viz over this project, without a request that leaves the machine.

Kedro-Viz as it comes asks the package index for its newest version and Google for a font. Here its page is served
without either, reads from left to right, and shows what each node does beside the code.
"""
