"""Detection: a classifier over folders of long recordings, and what its detections say about nights.

Every window of every recording gets a score once, which is kept; thresholds, merging and nights are tables made
from those scores, so that another threshold costs no listening.
"""
