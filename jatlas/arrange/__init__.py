"""Vectors to points to cells. Knows no network."""
