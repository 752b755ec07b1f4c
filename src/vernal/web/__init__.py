"""The pages that a browser on this machine shows: review, and results."""
