"""Results that others published: their tables of experiments and leaderboards."""
