"""Divides the pieces of a manifest into train, calibration and test, so that no group is in two of them."""
