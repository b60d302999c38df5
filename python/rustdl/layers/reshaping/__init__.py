"""Reshaping, padding, cropping and resizing."""
