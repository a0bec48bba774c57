"""Texts and bytes: case, splitting, distances, digests, URLs."""

import base64
import binascii
import hashlib
import hmac
import unicodedata
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlsplit

from sandbox.aws.athena.sql.udf.failure import invalid

_CODES = {
    **dict.fromkeys("BFPV", "1"), **dict.fromkeys("CGJKQSXZ", "2"), **dict.fromkeys("DT", "3"),
    "L": "4", **dict.fromkeys("MN", "5"), "R": "6",
}  # fmt: skip


def upper(text: str) -> str:
    """Map each code point to upper case; those that would become several stay."""
    return "".join(char.upper() if len(char.upper()) == 1 else char for char in text)


def lower(text: str) -> str:
    """Map each code point to lower case; those that would become several stay."""
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def split(text: str, delimiter: str, limit: int) -> list[str]:
    """Split into at most `limit` parts."""
    if limit <= 0:
        raise invalid("Limit must be positive")
    if not delimiter:
        raise invalid("The delimiter may not be the empty string")
    return text.split(delimiter, limit - 1)


def split_to_map(text: str, entries: str, pair: str) -> dict[str, str]:
    """Split into entries, and each entry into key and value."""
    if not entries or not pair or entries == pair:
        raise invalid("entryDelimiter and keyValueDelimiter must not be empty or the same")
    found: dict[str, str] = {}
    for entry in text.removesuffix(entries).split(entries) if text else []:
        key, sign, value = entry.partition(pair)
        if not sign or pair in value:
            raise invalid(f"Key-value delimiter must appear exactly once in each entry. Bad input: '{entry}'")
        if key in found:
            raise invalid(f"Duplicate keys ({key}) are not allowed")
        found[key] = value
    return found


def strpos(text: str, part: str, instance: int) -> int:
    """Return the position of an instance of a part; negative ones count from the end."""
    if instance == 0:
        raise invalid("'instance' must be a positive or negative number.")
    place = -1 if instance > 0 else len(text)
    for _ in range(abs(instance)):
        place = text.find(part, place + 1) if instance > 0 else text.rfind(part, 0, max(place + len(part) - 1, 0))
        if place < 0:
            return 0
    return place + 1


def translate(text: str, source: str, target: str) -> str:
    """Replace the characters of `source` by those of `target`; those without one are removed."""
    table: dict[int, str | None] = {}
    for position, char in enumerate(source):
        table.setdefault(ord(char), target[position] if position < len(target) else None)
    return text.translate(table)


def replace_empty(text: str, replacement: str) -> str:
    """Put a text before each character and at the end, as the replacement of an empty text does."""
    return replacement + "".join(char + replacement for char in text)


def hamming(left: str, right: str) -> int:
    """Count the places in which two texts of the same length differ."""
    if len(left) != len(right):
        raise invalid("The input strings to hamming_distance function must have the same length")
    return sum(a != b for a, b in zip(left, right, strict=True))


def soundex(text: str) -> str:
    """Return the Soundex code."""
    letters = [char for char in text.upper() if char.isalpha()]
    if not letters:
        return ""
    if any(not char.isascii() for char in letters):
        raise invalid(f"The character is not mapped: {text}")
    found, last = letters[0], _CODES.get(letters[0], "")
    for char in letters[1:]:
        code = _CODES.get(char, "")
        if code and code != last:
            found += code
        if char not in "HW":
            last = code
    return (found + "000")[:4]


def luhn(text: str) -> bool:
    """Return whether digits satisfy the Luhn check."""
    if not text.isdigit() or not text.isascii():
        raise invalid("Input should contain only digits")
    digits = [int(char) for char in reversed(text)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def from_hex(text: str) -> bytes:
    """Read hexadecimal digits."""
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"invalid hex: {text}") from error


def from_base64(text: str) -> bytes:
    """Read base64, with or without padding."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"Illegal base64 character: {text}") from error


def url_part(part: str, url: str) -> str | None:
    """Return a part of a URL; None if it is no URL or has no such part."""
    try:
        found = urlsplit(url)
        values = {
            "host": found.hostname, "path": found.path, "protocol": found.scheme, "query": found.query,
            "fragment": found.fragment, "port": str(found.port) if found.port else None,
        }  # fmt: skip
    except ValueError:
        return None
    if any(char.isspace() for char in url):
        return None
    value = values[part]
    return value if value or part in ("path", "protocol", "host", "port") else ""


def url_parameter(url: str, name: str) -> str | None:
    """Return the first value of a parameter of a URL."""
    if any(char.isspace() for char in url):
        return None
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return next((value for key, value in pairs if key == name), None)


FUNCTIONS: dict[str, tuple[Callable[..., Any], list[str], str]] = {
    "upper_unicode": (upper, ["VARCHAR"], "VARCHAR"),
    "lower_unicode": (lower, ["VARCHAR"], "VARCHAR"),
    "reverse_unicode": (lambda text: text[::-1], ["VARCHAR"], "VARCHAR"),
    "split": (split, ["VARCHAR", "VARCHAR", "BIGINT"], "VARCHAR[]"),
    "split_to_map": (split_to_map, ["VARCHAR", "VARCHAR", "VARCHAR"], "MAP(VARCHAR, VARCHAR)"),
    "strpos": (strpos, ["VARCHAR", "VARCHAR", "BIGINT"], "BIGINT"),
    "translate": (translate, ["VARCHAR", "VARCHAR", "VARCHAR"], "VARCHAR"),
    "replace_empty": (replace_empty, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "hamming": (hamming, ["VARCHAR", "VARCHAR"], "BIGINT"),
    "soundex": (soundex, ["VARCHAR"], "VARCHAR"),
    "luhn": (luhn, ["VARCHAR"], "BOOLEAN"),
    "normalize": (lambda text, form: unicodedata.normalize(form, text), ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "from_utf8": (lambda data: data.decode("utf-8", "replace"), ["BLOB"], "VARCHAR"),
    "from_hex": (from_hex, ["VARCHAR"], "BLOB"),
    "from_base64": (from_base64, ["VARCHAR"], "BLOB"),
    "to_base64url": (lambda data: base64.urlsafe_b64encode(data).decode(), ["BLOB"], "VARCHAR"),
    "digest": (lambda name, data: hashlib.new(name, data).digest(), ["VARCHAR", "BLOB"], "BLOB"),
    "hmac": (lambda name, data, key: hmac.digest(key, data, name), ["VARCHAR", "BLOB", "BLOB"], "BLOB"),
    "crc32": (zlib.crc32, ["BLOB"], "BIGINT"),
    "url_encode": (lambda text: quote_plus(text, safe="*-._").replace("~", "%7E"), ["VARCHAR"], "VARCHAR"),
    "url_decode": (unquote_plus, ["VARCHAR"], "VARCHAR"),
    "url_part": (url_part, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    "url_parameter": (url_parameter, ["VARCHAR", "VARCHAR"], "VARCHAR"),
}
