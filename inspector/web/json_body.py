"""The body of a request as a JSON object."""

import json
from collections.abc import Mapping

from starlette.exceptions import HTTPException


def json_object(body: bytes) -> Mapping[str, object]:
    """Every text in it can be written as UTF-8 and stored. Raises HTTPException."""
    try:
        read = json.loads(body)
        written = json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The request is no JSON.") from error
    if not isinstance(read, dict) or b"\\u0000" in written:
        raise HTTPException(400, "The request is no JSON object, or holds a character with the code 0.")
    return read
