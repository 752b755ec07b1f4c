"""Hand-over: what detection found, with where and when, in the shapes that other people's programs read.

Times of recorders' clocks become instants, and instants hours from sunset; nights become detection histories for
occupancy models, and detections and decisions a data package to publish.
"""
