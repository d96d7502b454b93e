"""Numbers in addresses, never larger than what a database column or a part of the page can hold."""

import re

from starlette.convertors import Convertor, register_url_convertor

MAX_NUMBER = 2**63 - 1
_DIGITS = re.compile("[0-9]{1,19}", re.ASCII)


class NumberConvertor(Convertor[int]):
    """`{name:number}` in a path. An address with a longer number has no route, so that it is answered with 404."""

    regex = "[1-8][0-9]{18}|[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


def number_of(text: str) -> int | None:
    """The number of a query's field; None for any other text, and for a number above `MAX_NUMBER`."""
    number = int(text) if _DIGITS.fullmatch(text) else MAX_NUMBER + 1
    return number if number <= MAX_NUMBER else None


register_url_convertor("number", NumberConvertor())
