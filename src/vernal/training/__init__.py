"""From a plan and its training sets to trained heads and scores."""
