"""What this project adds to Kedro itself: configuration, hooks, the lineage in a browser."""
