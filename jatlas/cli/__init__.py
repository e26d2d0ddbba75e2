"""The command line."""

from jatlas.cli._main import main as main
