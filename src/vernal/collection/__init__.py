"""From recordings and annotators to a training set that can be trusted.

One module a noun: the problem card, the raw zone, recordings and their metadata, annotations and their
file formats, clips, agreement, consensus, and what the collected set still lacks.
"""
