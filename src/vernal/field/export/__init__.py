"""A point of a stage as a classifier for the field, proven to score the same there."""
