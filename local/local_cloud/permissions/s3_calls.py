"""What requests of S3 ask IAM for.

Amazon S3 User Guide, "Required permissions for Amazon S3 API operations".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree  # noqa: S405  (expat limits what entities expand to)

from local.local_cloud.http.services import ServiceError
from local.local_cloud.permissions.calls import Call

# Parts of a bucket, by the name in the query: actions to read, write and delete them.
_BUCKET_PARTS: Final[Mapping[str, Mapping[str, str]]] = {
    "accelerate": {"GET": "GetAccelerateConfiguration", "PUT": "PutAccelerateConfiguration"},
    "acl": {"GET": "GetBucketAcl", "PUT": "PutBucketAcl"},
    "logging": {"GET": "GetBucketLogging", "PUT": "PutBucketLogging"},
    "object-lock": {
        "GET": "GetBucketObjectLockConfiguration", "PUT": "PutBucketObjectLockConfiguration",
    },
    # Writing it passes a role, which is named in the body.
    "replication": {"GET": "GetReplicationConfiguration", "DELETE": "PutReplicationConfiguration"},
    "requestPayment": {"GET": "GetBucketRequestPayment", "PUT": "PutBucketRequestPayment"},
    "website": {
        "GET": "GetBucketWebsite", "PUT": "PutBucketWebsite", "DELETE": "DeleteBucketWebsite",
    },
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
# Parts of an object; "{}" is "Version" where the request names a version.
_OBJECT_PARTS: Final[Mapping[str, Mapping[str, str]]] = {
    "": {"GET": "GetObject{}", "HEAD": "GetObject{}", "DELETE": "DeleteObject{}"},
    "acl": {"GET": "GetObject{}Acl", "PUT": "PutObject{}Acl"},
    "legal-hold": {"GET": "GetObjectLegalHold", "PUT": "PutObjectLegalHold"},
    "restore": {"POST": "RestoreObject"},
    "retention": {"GET": "GetObjectRetention", "PUT": "PutObjectRetention"},
    "tagging": {
        "GET": "GetObject{}Tagging", "PUT": "PutObject{}Tagging", "DELETE": "DeleteObject{}Tagging",
    },
}  # fmt: skip
_UPLOAD: Final = {"GET": "ListMultipartUploadParts", "DELETE": "AbortMultipartUpload",
                  "POST": "PutObject"}  # fmt: skip
# What a new object gets by a header, which needs a right of its own.
_BY_HEADER: Final = (
    ("x-amz-tagging", "PutObjectTagging"),
    ("x-amz-acl", "PutObjectAcl"),
    ("x-amz-grant-", "PutObjectAcl"),
    ("x-amz-object-lock-mode", "PutObjectRetention"),
    ("x-amz-object-lock-retain-until-date", "PutObjectRetention"),
    ("x-amz-object-lock-legal-hold", "PutObjectLegalHold"),
)
_LIST_KEYS: Final = ("prefix", "delimiter", "max-keys")
# Parameters that leave an operation what it is; every other one names a part.
_PLAIN: Final = frozenset({
    "awsaccesskeyid", "bucket-region", "continuation-token", "delimiter", "encoding-type",
    "expires", "fetch-owner", "key-marker", "list-type", "marker", "max-buckets", "max-keys",
    "max-parts", "max-uploads", "part-number-marker", "partnumber", "prefix", "signature",
    "start-after", "upload-id-marker", "uploadid", "version-id-marker", "versionid", "x-id",
})  # fmt: skip
_PLAIN_PREFIXES: Final = ("response-", "x-amz-")


def s3_calls(method: str, path: str, headers: Mapping[str, str], body: bytes) -> list[Call] | None:
    """The calls of a request; None: no rule says.

    Args:
        path: as in the request line, path-style, with query.
        body: of a DeleteObjects request; otherwise ignored.

    Raises:
        ServiceError: the body of DeleteObjects is malformed.
    """
    location, _, text = path.partition("?")
    query = parse_qs(text, keep_blank_values=True)
    parts = [name for name in query if not _is_plain(name)]
    if len(parts) > 1:  # which of them counts is not defined
        return None
    part = parts[0] if parts else ""
    bucket, _, key = unquote(location).removeprefix("/").partition("/")
    if not bucket:
        return [Call("s3:ListAllMyBuckets", "*")] if method == "GET" and not part else None
    arn = f"arn:aws:s3:::{bucket}"
    if key:
        return _object_calls(method, f"{arn}/{key}", part, query, headers)
    if method == "POST" and part == "delete":
        return _deletions(arn, body)
    return _bucket_calls(method, arn, part, query)


def _is_plain(name: str) -> bool:
    return name.lower() in _PLAIN or name.lower().startswith(_PLAIN_PREFIXES)


def _bucket_calls(
    method: str, arn: str, part: str, query: Mapping[str, list[str]]
) -> list[Call] | None:
    actions = _BUCKET_PARTS.get(part) if part else _BUCKET
    if actions is None or method not in actions:
        return None
    context = {}
    if part in ("", "versions"):
        context = {f"s3:{name}": (query[name][0],) for name in _LIST_KEYS if name in query}
    return [Call(f"s3:{actions[method]}", arn, context)]


def _deletions(arn: str, body: bytes) -> list[Call]:
    """Amazon S3 API Reference, "DeleteObjects"; whatever its namespace."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314  (expat limits entities)
    except ElementTree.ParseError as error:
        raise _malformed(str(error)) from error
    calls = []
    for entry in _named(root.iter(), "Object"):
        keys = [each.text or "" for each in _named(entry, "Key")]
        if len(keys) != 1 or not keys[0]:
            raise _malformed("an Object needs exactly one Key")
        version = "Version" if any(each.text for each in _named(entry, "VersionId")) else ""
        calls.append(Call(f"s3:DeleteObject{version}", f"{arn}/{keys[0]}"))
    if not calls:
        raise _malformed("it names no Object")
    return calls


def _named(elements: Iterable[ElementTree.Element], name: str) -> list[ElementTree.Element]:
    return [each for each in elements if each.tag.rpartition("}")[2] == name]


def _malformed(why: str) -> ServiceError:
    message = f"The XML you provided was not well-formed or did not validate: {why}"
    return ServiceError("MalformedXML", message)


def _object_calls(
    method: str,
    arn: str,
    part: str,
    query: Mapping[str, list[str]],
    headers: Mapping[str, str],
) -> list[Call] | None:
    version = "Version" if "versionId" in query else ""
    if part == "attributes" and method == "GET":
        both = (f"s3:GetObject{version}", f"s3:GetObject{version}Attributes")
        return [Call(action, arn) for action in both]
    if part == "uploads" and method == "POST":
        return _new_object_calls(arn, headers)
    if not part and method == "PUT":
        return _put_calls(arn, headers)
    if not part and "uploadId" in query:
        return [Call(f"s3:{_UPLOAD[method]}", arn)] if method in _UPLOAD else None
    action = _OBJECT_PARTS.get(part, {}).get(method)
    return [Call(f"s3:{action.format(version)}", arn)] if action else None


def _new_object_calls(arn: str, headers: Mapping[str, str]) -> list[Call]:
    """Tags, lists of access and locks need rights of their own."""
    names = [name.lower() for name in headers]
    more = {
        action: None
        for start, action in _BY_HEADER
        if any(name == start or (start[-1] == "-" and name.startswith(start)) for name in names)
    }
    return [Call(f"s3:{action}", arn) for action in ("PutObject", *more)]


def _put_calls(arn: str, headers: Mapping[str, str]) -> list[Call]:
    """A copy reads its source."""
    calls = _new_object_calls(arn, headers)
    if source := headers.get("x-amz-copy-source"):
        location, _, text = source.partition("?")
        version = "Version" if "versionId=" in text else ""
        place = unquote(location).removeprefix("/")
        calls.append(Call(f"s3:GetObject{version}", f"arn:aws:s3:::{place}"))
    return calls
