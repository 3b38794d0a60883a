"""From a message's text to a run request: every accepted form, every problem at once. Pure."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from typing import Any, Final
from urllib.parse import unquote_plus

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from contracts.base import canonical_json
from contracts.errors import InvalidRequest, Problem
from contracts.layout import LANDING_PREFIX
from contracts.run_request import (
    AUTO_RUN_ID,
    DATASET_NAME_PATTERN,
    MAX_CONCURRENCY,
    ONLY_NEW_LISTS,
    UPLOAD_RUN_ID,
    RunRequest,
    parse_timestamp,
)
from contracts.source.input_url import bucket_problem
from contracts.times.schedule import SCHEDULE_NAME_PATTERN, scheduled_run_id

NOTHING_ASKED: Final = "a test message of S3, a folder, or an object that was removed"
MAX_MESSAGE_BYTES: Final = 64 * 1024
DEFAULT_DATASET: Final = "standard"
_UPLOADED: Final = "Object Created"
# Of objects that are gone, as S3 names them: Amazon S3 User Guide, "Supported event types for SQS,
# SNS, and Lambda" and "EventBridge event message structure".
_REMOVED: Final = ("ObjectRemoved:", "LifecycleExpiration:")
_DELETED: Final = "Object Deleted"
_SUBJECT: Final = "run request"
_ENVELOPES_AT_MOST: Final = 3
_PROBLEMS_AT_MOST: Final = 50
_FIELDS: Final = tuple(field.alias or name for name, field in RunRequest.model_fields.items())
_SHORT_NAMES: Final = {"data_source": "inputUrl", "processing_type": "datasetName"}
_WHAT_WOULD_BE_RIGHT: Final = {
    "missing": "is required",
    "int_type": "must be a whole number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "string_type": "must be a text in quotes",
    "float_type": "must be a number, without quotes",
}


def parse_message(
    body: str, default_run_id: str, *, units_at_most: int = MAX_CONCURRENCY
) -> RunRequest | None:
    """Parse a message body into a run request.

    Accepted: a run request; an S3 notification or an EventBridge `Object Created` event of one
    uploaded object; `{"data_source": "…", "processing_type": "…"}`, which names an object as
    `inputUrl` does; any of them inside an SNS envelope. An uploaded object under
    `landing/<dataset>/` belongs to that dataset, any other to `standard`.

    Args:
        body: the message's text.
        default_run_id: the run id of a message that names none (the SQS message id). An upload that
            S3 identifies names itself: its event may come twice, in messages of two ids.
        units_at_most: units side by side that this deployment allows (`MaxUnitsSideBySide`).

    Returns:
        The request, or None for messages without work (`NOTHING_ASKED`): the test message that S3
        sends when a notification is set up, the empty object by which a console makes a folder, and
        an event about an object that was removed.

    Raises:
        InvalidRequest: lists every problem, each with its path, value and what would be right.
    """
    if len(body.encode()) > MAX_MESSAGE_BYTES:
        size = len(body.encode())
        problem = f"is too large: {size:,} bytes, at most {MAX_MESSAGE_BYTES:,} are accepted"
        raise InvalidRequest(_SUBJECT, [Problem("message", problem)])
    message = _unwrapped(_json_object(body))
    if message.get("Event") == "s3:TestEvent" or _is_of_removal(message):
        return None
    fields = _normalised(message)
    if _is_upload(message) and _is_folder(message, fields["inputUrl"]):
        return None
    fields = {"runId": default_run_id, **_scheduled(fields), **fields}
    return _validated(fields, message, units_at_most)


def _scheduled(fields: dict[str, Any]) -> dict[str, str]:
    """The run id that a schedule's firing has, where its fields are right."""
    names = [fields.get(name) for name in ("datasetName", "schedule", "asOf")]
    dataset, schedule, due = (name if isinstance(name, str) else "" for name in names)
    known = re.search(DATASET_NAME_PATTERN, dataset) and re.search(SCHEDULE_NAME_PATTERN, schedule)
    try:
        return {"runId": scheduled_run_id(dataset, schedule, parse_timestamp(due))} if known else {}
    except PydanticCustomError:
        return {}


def claimed_run_id(body: str) -> str | None:
    """The run id that a message names, even where the rest of it is broken; None for `auto`."""
    try:
        fields = _normalised(_unwrapped(_json_object(body)))
        run_id = {**_scheduled(fields), **fields}.get("runId")
    except InvalidRequest:
        return None
    named = isinstance(run_id, str) and run_id and run_id != AUTO_RUN_ID
    return run_id if named else None


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        where = (
            f"line {error.lineno}, column {error.colno}: {error.msg}"
            if isinstance(error, json.JSONDecodeError)
            else str(error)
        )
        problem = Problem("message", f"is not JSON ({where})", _shown(text))
        raise InvalidRequest(_SUBJECT, [problem]) from None
    except RecursionError:
        problem = Problem("message", "is nested too deeply", _shown(text))
        raise InvalidRequest(_SUBJECT, [problem]) from None
    if not isinstance(value, dict):
        problem = Problem("message", "must be a JSON object", _shown(value))
        raise InvalidRequest(_SUBJECT, [problem])
    return value


def _unwrapped(message: dict[str, Any]) -> dict[str, Any]:
    for _ in range(_ENVELOPES_AT_MOST):
        if message.get("Type") != "Notification" or not isinstance(message.get("Message"), str):
            return message
        message = _json_object(message["Message"])
    return message


def _normalised(message: dict[str, Any]) -> dict[str, Any]:
    """Translate short forms into fields of a run request; return a run request unchanged."""
    if "Records" in message:
        return _from_s3_notification(message["Records"])
    if _is_upload(message):
        kind = message.get("detail-type", _UPLOADED)
        if kind != _UPLOADED:
            problem = Problem("detail-type", f"must be of an upload, {_UPLOADED}", _shown(kind))
            raise InvalidRequest(_SUBJECT, [problem])
        return _from_s3_object(message["detail"], "detail", url_encoded=False)
    if _SHORT_NAMES.keys() & message.keys():
        rest = {name: value for name, value in message.items() if name not in _SHORT_NAMES}
        source = {"inputUrl": message["data_source"]} if "data_source" in message else {}
        return {"datasetName": message.get("processing_type", DEFAULT_DATASET), **source, **rest}
    return message


def _is_of_removal(message: dict[str, Any]) -> bool:
    """Whether S3 reports only objects that are gone."""
    if "Records" not in message:
        return _is_upload(message) and message.get("detail-type") == _DELETED
    records = message["Records"]
    if not isinstance(records, list) or not records:
        return False
    names = [record.get("eventName") for record in records if isinstance(record, dict)]
    return len(names) == len(records) and all(str(name).startswith(_REMOVED) for name in names)


def _is_folder(message: dict[str, Any], url: str) -> bool:
    """The empty object by which a console makes a folder."""
    detail = message["Records"][0]["s3"] if "Records" in message else message["detail"]
    return url.endswith("/") and not detail["object"].get("size")


def _is_upload(message: dict[str, Any]) -> bool:
    return "Records" in message or (message.get("source") == "aws.s3" and "detail" in message)


def _from_s3_notification(records: Any) -> dict[str, Any]:
    if not isinstance(records, list) or len(records) != 1:
        found = f"{len(records)} records" if isinstance(records, list) else _shown(records)
        problem = Problem("Records", "must hold exactly one S3 record: one run per message", found)
        raise InvalidRequest(_SUBJECT, [problem])
    detail = records[0].get("s3") if isinstance(records[0], dict) else None
    name = records[0].get("eventName") if isinstance(records[0], dict) else None
    if name is not None and not str(name).startswith("ObjectCreated:"):
        problem = Problem("Records[0].eventName", "must be of an upload, ObjectCreated:…", name)
        raise InvalidRequest(_SUBJECT, [problem])
    return _from_s3_object(detail, "Records[0].s3", url_encoded=True)


def _from_s3_object(detail: Any, path: str, *, url_encoded: bool) -> dict[str, Any]:
    """Bucket and key of a notification; its keys are URL-encoded, those of an event are not."""
    try:
        bucket, key = detail["bucket"]["name"], detail["object"]["key"]
        if not isinstance(bucket, str) or not isinstance(key, str) or not bucket or not key:
            raise TypeError(path)
    except (KeyError, TypeError):
        problem = Problem(path, "must hold bucket.name and object.key", _shown(detail))
        raise InvalidRequest(_SUBJECT, [problem]) from None
    if url_encoded:
        key = unquote_plus(key)
    request = {"datasetName": _dataset_of(key), "inputUrl": f"s3://{bucket}/{key}"}
    write = _write_of(detail["object"])
    return {**request, "runId": _upload_id(bucket, key, write)} if write else request


def _write_of(described: dict[str, Any]) -> str | None:
    """What distinguishes two uploads of one key, whichever kind of message reports them."""
    names = ("sequencer", "version-id", "versionId", "etag", "eTag")
    return next((str(described[name]) for name in names if described.get(name)), None)


def _upload_id(bucket: str, key: str, write: str) -> str:
    """A run id that every message about one upload gives; another upload of the key has its own."""
    digest = hashlib.sha256(canonical_json([bucket, key, write]).encode()).hexdigest()
    return f"{UPLOAD_RUN_ID}{digest[:32]}"


def _dataset_of(key: str) -> str:
    if key.startswith(LANDING_PREFIX):
        name, slash, _ = key.removeprefix(LANDING_PREFIX).partition("/")
        if slash and re.fullmatch(DATASET_NAME_PATTERN, name):
            return name
    return DEFAULT_DATASET


def _validated(fields: dict[str, Any], message: dict[str, Any], units_at_most: int) -> RunRequest:
    """The request of these fields; problems are reported under the names that the message has."""
    sent_as = {name: short for short, name in _SHORT_NAMES.items() if short in message}
    impossible = _impossible_bucket(fields.get("inputUrl"), sent_as)
    impossible += _too_many_units(fields.get("maxConcurrency"), units_at_most)
    try:
        request = RunRequest.model_validate(fields)
    except ValidationError as error:
        found = error.errors()
        # To advise on one costs a millisecond, and each replay of the batch comes here again.
        shown, others = found[:_PROBLEMS_AT_MOST], len(found[_PROBLEMS_AT_MOST:])
        problems = [_problem(item, sent_as) for item in shown] + impossible
        if all(item["loc"] for item in found):
            problems += _problems_between_fields(fields)
        raise InvalidRequest(_SUBJECT, _at_most(problems, others)) from None
    if impossible:
        raise InvalidRequest(_SUBJECT, impossible)
    return request


def _impossible_bucket(url: Any, sent_as: dict[str, str]) -> list[Problem]:
    problem = bucket_problem(url) if isinstance(url, str) else None
    return [Problem(sent_as.get("inputUrl", "inputUrl"), problem, _shown(url))] if problem else []


def _too_many_units(asked: Any, most: int) -> list[Problem]:
    if not isinstance(asked, int) or not most < asked <= MAX_CONCURRENCY:
        return []
    problem = (
        f"is above the {most:,} units side by side that this deployment allows: ask for {most:,} at"
        f" most, or raise its parameter MaxUnitsSideBySide, up to {MAX_CONCURRENCY:,}"
    )
    return [Problem("maxConcurrency", problem, _shown(asked))]


def _at_most(problems: list[Problem], others: int) -> list[Problem]:
    """A reason has to fit a message's attributes and a checkpoint; `others` are not listed."""
    more = len(problems) + others - _PROBLEMS_AT_MOST
    if more <= 0:
        return problems
    return [*problems[:_PROBLEMS_AT_MOST], Problem("message", f"and {more} more problems")]


def _problem(item: ErrorDetails, sent_as: dict[str, str]) -> Problem:
    path = _shortened(".".join(str(part) for part in item["loc"]) or "message")
    path = sent_as.get(path, path)
    kind = item["type"]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(path, _FIELDS, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known fields: {', '.join(_FIELDS)}"
        return Problem(path, f"is an unknown field; {advice}", _shown(item["input"]))
    if kind == "string_pattern_mismatch":
        message = f"must match {item['ctx']['pattern']}"
    else:
        message = _WHAT_WOULD_BE_RIGHT.get(kind, item["msg"].replace("Input should", "must"))
    value = None if kind == "missing" or not item["loc"] else _shown(item["input"])
    return Problem(path, message, value)


def _problems_between_fields(fields: dict[str, Any]) -> list[Problem]:
    """Checks between fields, which the model skips when single fields are wrong."""
    if "startDateTime" not in fields and "inputUrl" not in fields:
        return [Problem("startDateTime", "is required (or inputUrl, to name one object)")]
    if fields.get("onlyNew") and "inputUrl" in fields:
        return [Problem("onlyNew", ONLY_NEW_LISTS, _shown(fields["onlyNew"]))]
    try:
        start, end = (
            parse_timestamp(fields["startDateTime"]),
            parse_timestamp(fields["endDateTime"]),
        )
    except (KeyError, PydanticCustomError):
        return []
    if end <= start:
        return [
            Problem("endDateTime", "must be after startDateTime", _shown(fields["endDateTime"]))
        ]
    return []


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return repr(_shortened(text))


def _shortened(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."
