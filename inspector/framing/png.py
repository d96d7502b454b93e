"""Small grey pictures as text: PNG in base64, for masks and references in `bundle.json`."""

import base64
import binascii

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]


def png_text(picture: Grey) -> str:
    _, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return base64.b64encode(data.tobytes()).decode("ascii")


def grey_picture(text: str) -> Grey:
    """Raises ValueError for text that is none of these pictures."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("is no base64") from exc
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if picture is None:
        raise ValueError("is no PNG")
    return np.asarray(picture, np.uint8)
