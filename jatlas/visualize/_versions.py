"""Versions of XLA in which rendering does not work."""

import importlib.metadata

import jax

_HANGING = ("0.11.1", "0.11.2")


def check_jaxlib(device: jax.Device) -> None:
    """Raise ValueError if rendering on a device would never return.

    On a CPU, jaxlib 0.11.1 and 0.11.2 run each FFT on the threads that wait for it: a program with
    as many FFTs at once as there are threads waits for ever.

    Args:
      device: where icons are to be rendered.

    Raises:
      ValueError: if it is a CPU, with one of these versions.

    Reference:
      Pull request 46347 of openxla/xla. jaxlib 0.10.2, 0.11.0, 0.12.0 and 0.12.0.1 do not hang.
    """
    version = importlib.metadata.version("jaxlib")
    if device.platform == "cpu" and version in _HANGING:
        raise ValueError(
            f"jaxlib {version} hangs in the FFTs of a rendering on a CPU: install another version, "
            "such as jax 0.11.0 or 0.12.0"
        )
