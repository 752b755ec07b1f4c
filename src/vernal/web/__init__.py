"""The pages that a browser on this machine shows: review, results and sweeps, from one server. No Kedro."""
