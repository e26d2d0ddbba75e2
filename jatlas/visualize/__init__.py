"""Directions to icons, all at once."""
