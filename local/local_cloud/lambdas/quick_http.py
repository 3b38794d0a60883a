"""What every request of a process repeats, done at a fraction of the processor time.

Used by the local cloud, whose front reads and writes two messages per request, and loaded by the
processes of `sandbox_process.py` from its file. What functions see is the same: header lines that
are not simply `name: value` are left to the standard library's parser.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import importlib
import io
import re
from collections.abc import Callable
from typing import Any

MOST_BYTES = 65_536  # of a header line, and how many of those: as in http.client
MOST_LINES = 100
SIMPLE_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)\r?\n")
parse_slowly: Callable[..., Any] = http.client.parse_headers


def be_quick() -> None:
    """Change this process; again is harmless."""
    vars(http.client)["parse_headers"] = parse_headers
    with contextlib.suppress(ImportError):
        # Some ninety words of the user agent are cleaned twice per request, always the same.
        agent = importlib.import_module("botocore.useragent")
        name = "sanitize_user_agent_string_component"
        clean = vars(agent)[name]
        if not hasattr(clean, "cache_info"):
            vars(agent)[name] = functools.lru_cache(maxsize=1_000)(clean)


def parse_headers(
    fp: Any, _class: type[http.client.HTTPMessage] = http.client.HTTPMessage, **others: Any
) -> http.client.HTTPMessage:
    """`http.client.parse_headers`, without a parser of mail: a tenth of the time.

    Raises:
        http.client.LineTooLong, http.client.HTTPException: as that one does.
    """
    message = _class()
    lines: list[bytes] = []
    simple = True
    while True:
        line = fp.readline(MOST_BYTES + 1)
        if len(line) > MOST_BYTES:
            raise http.client.LineTooLong("header line")
        lines.append(line)
        if len(lines) > MOST_LINES:
            raise http.client.HTTPException(f"got more than {MOST_LINES} headers")
        if line in (b"\r\n", b"\n", b""):
            break
        found = SIMPLE_LINE.fullmatch(line)
        if found is None:
            simple = False
        elif simple:
            name, value = found.groups()
            message.set_raw(name.decode("ascii"), value.decode("iso-8859-1"))
    if simple:
        return message
    headers: http.client.HTTPMessage = parse_slowly(io.BytesIO(b"".join(lines)), _class, **others)
    return headers
