"""Numbers and text as the viewer reads them: JSON, and arrays as base64 inside it."""

import base64
import json
from typing import Any

import numpy as np

from jatlas.types import HostArray

_WHOLE = ("<u1", "<i1", "<u2", "<i2", "<u4", "<i4")  # in the order in which they are tried
_SINGLE = (float(np.finfo("<f4").min), float(np.finfo("<f4").max))


def quantized(evidence: HostArray) -> dict[str, Any]:
    """Keep evidence as one byte per value, in units of 1/127 of the largest of its class.

    Args:
      evidence: (m, classes) float32; values that are not finite count as 0.

    Returns:
      "scale", the largest absolute value of each class, and "values", base64 of int8, class by
      class.

    Example:
      >>> quantized(np.array([[0.5], [-1.0]], np.float32))
      {'scale': [1.0], 'values': 'QIE='}
    """
    finite = np.nan_to_num(evidence, posinf=0.0, neginf=0.0)
    scale = np.abs(finite).max(axis=0, initial=0.0)
    values = np.round(finite / np.where(scale > 0, scale, 1) * 127).astype(np.int8).T
    return {"scale": [rounded(value) for value in scale.tolist()], "values": encoded(values)}


def encoded(array: HostArray) -> str:
    """Return the bytes of an array, row by row, as base64.

    Example:
      >>> encoded(np.array([1, 2], "<u2"))
      'AQACAA=='
    """
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def packed(values: Any) -> dict[str, str]:
    """Write numbers as base64 of an array of the smallest type that holds them.

    Args:
      values: whole numbers, or numbers that are kept in single precision; None is not a number.

    Returns:
      "type", such as "u2" for two bytes without a sign, and "data".

    Example:
      >>> packed([0, 300])
      {'type': 'u2', 'data': 'AAAsAQ=='}
      >>> packed([0.5, None])
      {'type': 'f4', 'data': 'AAAAPwAAwH8='}
    """
    array = np.asarray(values)
    if array.size and array.dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
        fits = (x for x in _WHOLE if np.iinfo(x).min <= low and high <= np.iinfo(x).max)
        kind = next(fits, "<f8")
    else:
        kind = "<f4"
        array = np.clip(array.astype(float), *_SINGLE)
    return {"type": kind[1:], "data": encoded(array.astype(kind))}


def rounded(value: float) -> float:
    """Round to four digits; 0 if it is not finite.

    Example:
      >>> rounded(0.123456), rounded(float("nan"))
      (0.1235, 0.0)
    """
    return float(f"{value:.4g}") if np.isfinite(value) else 0.0


def embeddable(value: Any) -> str:
    r"""Write a value as JSON that is safe inside a script element, whatever its strings hold.

    Example:
      >>> print(embeddable({"name": "</script>"}))
      {"name":"\u003c/script>"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Escapes in atlas.json can hold lone surrogates, which no encoding can write.
    text = text.encode("utf-8", "backslashreplace").decode()
    for raw, escaped in (("<", "\\u003c"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029")):
        text = text.replace(raw, escaped)
    return text
