"""Layers that would run the code of another framework."""
