"""Whose credentials a request carries: one access key for each session of a role."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from local.local_cloud.http.services import ACCOUNT_ID, SECRET_KEY
from local.local_cloud.permissions.evaluate import Identity

_SIGNED: Final = re.compile(r"Credential=([^/,\s]+)/")
_PRESIGNED: Final = re.compile(r"[?&](?:X-Amz-Credential=([^&]+)|AWSAccessKeyId=([^&]+))")


class Principals:
    """The sessions that credentials have been made for; safe to share between threads."""

    def __init__(self) -> None:
        self._sessions: dict[str, Identity] = {}
        self._lock = threading.Lock()

    def credentials(self, role: str, session: str) -> dict[str, str]:
        """The variables with which a process signs its calls as a role.

        They have the form of temporary credentials and are the same for the same session.

        Args:
            role: its ARN, or its name without a path, as Glue takes either.
            session: name of the session, as error messages show it.
        """
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{ACCOUNT_ID}:role/{role}"
        key = "ASIA" + hashlib.sha256(f"{arn} {session}".encode()).hexdigest()[:16].upper()
        self.know(key, Identity.session(arn, session))
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_SESSION_TOKEN": f"{arn}/{session}",
        }

    def know(self, access_key_id: str, identity: Identity) -> None:
        """Take a key for a session that somebody else has made credentials for."""
        with self._lock:
            self._sessions[access_key_id] = identity

    def identity_of(self, access_key_id: str) -> Identity | None:
        """Whose key it is; None: no such key was made."""
        with self._lock:
            return self._sessions.get(access_key_id)


def access_key_of(path: str, headers: Mapping[str, str]) -> str | None:
    """The access key that a request is signed with; None: it is not signed.

    Args:
        path: as in the request line, with query.
    """
    match = _SIGNED.search(headers.get("authorization") or "")
    if match:
        return match[1]
    match = _PRESIGNED.search(path)
    if match is None:
        return None
    return unquote(match[1] or match[2]).partition("/")[0]
