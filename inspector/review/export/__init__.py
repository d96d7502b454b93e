"""Turns reviewed pieces into a data set: manifest with recordings, COCO and Label Studio files."""
