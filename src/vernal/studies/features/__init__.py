"""Spectral features and sequence models: classifiers learnt from scratch, to stand beside BirdNET's embeddings.

Features are computed once and kept by content (`spectral`, `feature_store`, `extraction`), read back batch by
batch (`batches`), learnt from by small networks (`models`, `fitting`), and compared in one table (`study`,
`evaluation`). Nothing here knows of Kedro.
"""
