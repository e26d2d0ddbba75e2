"""An atlas for people."""
