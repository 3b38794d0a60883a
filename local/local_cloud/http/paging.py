"""What list operations of our services share: required members, and pages with tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from local.local_cloud.http.services import ServiceError

Item = TypeVar("Item")


def required(request: Mapping[str, Any], name: str, code: str) -> Any:
    """A member of a request that must be there and not empty.

    Raises:
        ServiceError: it is missing; `code` is the service's own for bad input.
    """
    value = request.get(name)
    if value in (None, "", []):
        raise ServiceError(code, f"{name} is required")
    return value


def page(
    items: Sequence[Item],
    keys: Sequence[str],
    request: Mapping[str, Any],
    code: str,
    default_size: int = 100,
) -> tuple[Sequence[Item], dict[str, str]]:
    """One page, and the token of the next: the key of the page's last item.

    So a page does not shift when items are added meanwhile.

    Args:
        items: all of them, in order.
        keys: a unique key of each.
        request: may hold NextToken and MaxResults.
        code: of the error for a bad token.
        default_size: of a page, when the request names none.

    Returns:
        The page, and `{"NextToken": …}` or nothing.
    """
    begin = 0
    token = request.get("NextToken")
    if token:
        if token not in keys:
            raise ServiceError(code, "NextToken is not valid")
        begin = list(keys).index(token) + 1
    end = begin + int(request.get("MaxResults") or default_size)
    following = {"NextToken": keys[end - 1]} if end < len(items) else {}
    return items[begin:end], following
