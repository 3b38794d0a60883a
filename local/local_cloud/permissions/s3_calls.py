"""What requests of S3 ask IAM for.

Amazon S3 User Guide, "Required permissions for Amazon S3 API operations".
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, unquote

from local.local_cloud.permissions.calls import Call

_KEY: Final = re.compile(r"<Key>(.*?)</Key>(?:\s*<VersionId>(.*?)</VersionId>)?", re.DOTALL)
# Parts of a bucket, by the name in the query: actions to read, write and delete them.
_BUCKET_PARTS: Final[Mapping[str, Mapping[str, str]]] = {
    "versions": {"GET": "ListBucketVersions"},
    "uploads": {"GET": "ListBucketMultipartUploads"},
    "location": {"GET": "GetBucketLocation"},
    "policy": {
        "GET": "GetBucketPolicy", "PUT": "PutBucketPolicy", "DELETE": "DeleteBucketPolicy",
    },
    "policyStatus": {"GET": "GetBucketPolicyStatus"},
    "versioning": {"GET": "GetBucketVersioning", "PUT": "PutBucketVersioning"},
    "notification": {"GET": "GetBucketNotification", "PUT": "PutBucketNotification"},
    "tagging": {"GET": "GetBucketTagging", "PUT": "PutBucketTagging", "DELETE": "PutBucketTagging"},
    "cors": {"GET": "GetBucketCORS", "PUT": "PutBucketCORS", "DELETE": "PutBucketCORS"},
    "encryption": {
        "GET": "GetEncryptionConfiguration", "PUT": "PutEncryptionConfiguration",
        "DELETE": "PutEncryptionConfiguration",
    },
    "lifecycle": {
        "GET": "GetLifecycleConfiguration", "PUT": "PutLifecycleConfiguration",
        "DELETE": "PutLifecycleConfiguration",
    },
    "publicAccessBlock": {
        "GET": "GetBucketPublicAccessBlock", "PUT": "PutBucketPublicAccessBlock",
        "DELETE": "PutBucketPublicAccessBlock",
    },
    "ownershipControls": {
        "GET": "GetBucketOwnershipControls", "PUT": "PutBucketOwnershipControls",
        "DELETE": "PutBucketOwnershipControls",
    },
}  # fmt: skip
_BUCKET: Final = {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket",
                  "DELETE": "DeleteBucket"}  # fmt: skip
_OBJECT: Final = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject",
                  "DELETE": "DeleteObject"}  # fmt: skip
_TAGS: Final = {"GET": "GetObjectTagging", "PUT": "PutObjectTagging",
                "DELETE": "DeleteObjectTagging"}  # fmt: skip
_LIST_KEYS: Final = ("prefix", "delimiter", "max-keys")


def s3_calls(method: str, path: str, headers: Mapping[str, str], body: bytes) -> list[Call] | None:
    """The calls of a request; None: no rule says.

    Args:
        path: as in the request line, path-style, with query.
        body: of a DeleteObjects request; otherwise not looked at.
    """
    location, _, text = path.partition("?")
    query = parse_qs(text, keep_blank_values=True)
    bucket, _, key = unquote(location).removeprefix("/").partition("/")
    if not bucket:
        return [Call("s3:ListAllMyBuckets", "*")] if method == "GET" else None
    arn = f"arn:aws:s3:::{bucket}"
    if key:
        return _object_calls(method, f"{arn}/{key}", query, headers)
    return _bucket_calls(method, arn, query, body)


def _bucket_calls(
    method: str, arn: str, query: Mapping[str, list[str]], body: bytes
) -> list[Call] | None:
    if method == "POST" and "delete" in query:
        return [
            Call(f"s3:DeleteObject{'Version' if version else ''}", f"{arn}/{html.unescape(key)}")
            for key, version in _KEY.findall(body.decode("utf-8", "replace"))
        ]
    for part, actions in _BUCKET_PARTS.items():
        if part in query:
            return [Call(f"s3:{actions[method]}", arn)] if method in actions else None
    if method not in _BUCKET:
        return None
    context = {f"s3:{name}": (query[name][0],) for name in _LIST_KEYS if name in query}
    return [Call(f"s3:{_BUCKET[method]}", arn, context)]


def _object_calls(
    method: str, arn: str, query: Mapping[str, list[str]], headers: Mapping[str, str]
) -> list[Call] | None:
    version = "Version" if "versionId" in query else ""
    if "tagging" in query:
        return [Call(f"s3:{_TAGS[method]}", arn)] if method in _TAGS else None
    if "attributes" in query:
        both = (f"s3:GetObject{version}", f"s3:GetObject{version}Attributes")
        return [Call(action, arn) for action in both]
    if "uploadId" in query and method in ("GET", "DELETE"):
        parts = {"GET": "ListMultipartUploadParts", "DELETE": "AbortMultipartUpload"}
        return [Call(f"s3:{parts[method]}", arn)]
    if method == "POST" and ("uploads" in query or "uploadId" in query):
        return [Call("s3:PutObject", arn)]
    if method not in _OBJECT:
        return None
    if method == "PUT":
        return _put_calls(arn, headers)
    return [Call(f"s3:{_OBJECT[method]}{version}", arn)]


def _put_calls(arn: str, headers: Mapping[str, str]) -> list[Call]:
    """A copy reads its source; tags and lists of access need rights of their own."""
    calls = [Call("s3:PutObject", arn)]
    if "x-amz-tagging" in headers:
        calls.append(Call("s3:PutObjectTagging", arn))
    if "x-amz-acl" in headers:
        calls.append(Call("s3:PutObjectAcl", arn))
    if source := headers.get("x-amz-copy-source"):
        location, _, text = source.partition("?")
        version = "Version" if "versionId=" in text else ""
        place = unquote(location).removeprefix("/")
        calls.append(Call(f"s3:GetObject{version}", f"arn:aws:s3:::{place}"))
    return calls
