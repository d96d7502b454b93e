"""Turns records of a log into observations of pieces. Independent of torch, verdicts and gRPC."""

from streams.decode.opencv_limits import set_opencv_limits

set_opencv_limits()  # before any module of this package imports OpenCV
