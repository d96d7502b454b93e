"""Turns images and waveforms into tokens. Knows neither routing nor Kafka."""
