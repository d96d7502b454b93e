"""Turns a data set or the synthetic line into the records that a real line would publish, at the moments it would."""
