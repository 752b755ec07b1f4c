"""BirdNET: its packaged model, its analyser run in a process of its own, and the tables it writes."""
