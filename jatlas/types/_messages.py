"""Messages of errors."""


def one_line(error: Exception) -> str:
    r"""Return an exception's message in one line, the first.

    Args:
      error: the exception.

    Example:
      >>> one_line(ValueError("truncated\nat byte 12")), one_line(KeyError())
      ('truncated', 'KeyError')
    """
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0]
