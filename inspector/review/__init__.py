"""The review desk: which piece a person sees next, answers, and how well reviewers agree; data sets from it."""
