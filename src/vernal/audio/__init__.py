"""From a file to a vector: reading, checks, resampling, encoders, embedding, the BirdNET model."""
