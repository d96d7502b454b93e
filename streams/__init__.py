"""Turns records of a log into observations of pieces. Knows neither torch nor verdicts nor gRPC."""

from streams.decode.opencv_limits import set_opencv_limits

set_opencv_limits()  # here, for every module that imports OpenCV comes after its package
