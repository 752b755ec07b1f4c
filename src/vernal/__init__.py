"""Vernal: curate, train and prove custom acoustic detectors.

Audio is embedded once; everything after is tables. The modules beside this file are plain Python and
can be used from a notebook; `vernal.pipelines` joins them with Kedro.
"""

__version__ = "0.1.0"
