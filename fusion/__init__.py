"""Turns tokens and a presence mask into a prediction and a routing decision."""
