"""Turns records of a log into observations of pieces. Knows neither torch nor verdicts nor gRPC."""
