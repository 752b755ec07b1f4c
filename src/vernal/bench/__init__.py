"""Measurements against BirdNET-Analyzer."""
