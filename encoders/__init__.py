"""Turns images and waveforms into tokens."""
