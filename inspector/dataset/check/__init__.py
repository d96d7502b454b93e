"""Checks a whole data set: `inspector data check`, and what training, fitting and evaluation refuse or warn of."""
