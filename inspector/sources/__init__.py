"""Publishes real devices and watched folders to a log: cameras, video streams, microphones, files."""
