"""Lists that services return page by page, and finding many entries in them at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from contracts.errors import PipelineError

Entry = TypeVar("Entry", bound=Mapping[str, Any])


def pages(
    request: Callable[..., Mapping[str, Any]],
    entries: str,
    token: str,
    errors: Callable[[], AbstractContextManager[None]],
    **arguments: Any,
) -> Iterator[list[dict[str, Any]]]:
    """The pages of a list, each requested when it is needed.

    Args:
        request: the operation.
        entries: field of the response that holds a page.
        token: field of the response, and argument of the next request, that says where to go on.
        errors: the context of each request.
        arguments: of every request.
    """
    more: dict[str, str] = {}
    while True:
        with errors():
            response = request(**arguments, **more)
        yield response.get(entries, [])
        if not response.get(token):
            return
        more = {token: response[token]}


def look_up(
    wanted: Collection[str],
    listed: Iterable[Iterable[Entry]],
    id_of: Callable[[Entry], str],
    read: Callable[[str], Entry],
) -> dict[str, Entry | PipelineError]:
    """Entries by id: from a list, and one by one where the list does not have them.

    Where the list cannot be read, its error stands for all that it has not given.

    Args:
        listed: pages of the list, as far as it is worth reading.
        id_of: an entry's id.
        read: reads one entry by its id.
    """
    found: dict[str, Entry | PipelineError] = {}
    missing = dict.fromkeys(wanted)
    try:
        for page in listed:
            for entry in page:
                if (found_id := id_of(entry)) in missing:
                    del missing[found_id]
                    found[found_id] = entry
            if not missing:
                break
    except PipelineError as error:
        return found | dict.fromkeys(missing, error)
    for missing_id in missing:
        try:
            found[missing_id] = read(missing_id)
        except PipelineError as error:
            found[missing_id] = error
    return found
