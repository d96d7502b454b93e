"""Region of interest, mask, alignment: which part of a camera's pictures is judged. One reader for all programs."""
