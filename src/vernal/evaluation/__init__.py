"""From scores to thresholds, intervals, effects and leaderboards."""
