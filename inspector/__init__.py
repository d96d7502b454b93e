"""Turns observations, a model bundle and a recipe into verdicts: the service, its trainer and its command line."""
