"""Conditions over several verdicts: evaluated once, kept with acknowledgement and history, delivered."""
