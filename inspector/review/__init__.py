"""The review desk: which piece a person sees next, what was answered, how well reviewers agree; data sets from it."""
