"""Layers that act on training only: dropout, noise, activity penalties."""
