"""Reads the files of a data set: one reader for training, evaluation, golden set, parity and replay."""
