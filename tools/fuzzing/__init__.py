"""Files of bad luck and bad will, made by the thousand: what every reader does with them, counted by one command."""
