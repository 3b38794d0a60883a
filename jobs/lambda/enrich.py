"""A job as a Lambda function: read objects or one batch of items, enrich their rows, write CSV.

To start from: `enriched` is the work, row by row; the rest is how a job reads and what it leaves
(docs/jobs.md). It needs boto3, which the runtime has, and nothing of the pipeline's.

The event has the arguments of any job, without dashes: JOB_ID, RUN_ID, UNIT_ID, JOB_KEY, INPUT_URL,
OUTPUT_URL, DATASET_URL, INDEX, QUERY where the request has one, INPUT_URLS where a unit holds
several objects, and the contract's `arguments`.
Under OUTPUT_URL it writes data/part-00000.csv (the contract's columns as text, empty is missing),
rejected.jsonl and, last, report.json. A repeat overwrites all three. Rows go through one by one, so
memory does not grow with the object; the output waits in /tmp (512 MB unless you give it more).
Of several objects it writes objects/0000/data/part-00000.csv and so on, and one report.json.
"""

import codecs
import csv
import gzip
import io
import json
import os
import tempfile

import boto3

s3 = boto3.client("s3")


class Rejected(Exception):
    """Raised by `enriched` for a row that cannot be taken; its text is the reason."""

    raw = None  # the text of a row that could not be read


def enriched(row, event):  # noqa: ARG001 - for what you add
    """The row with what it is enriched by: the place for your own work.

    Args:
        row: texts by the contract's column names; None for a missing one.
        event: the job's arguments.

    Raises:
        Rejected: the row goes to rejected.jsonl, with the reason.
    """
    country = row.get("country")
    return {**row, "country": country and country.strip().upper()}


def handler(event, _context):
    """Lambda's entry point; what it returns is only logged."""
    if "QUERY" in event:
        raise ValueError("this function applies no query: leave query out of the run request")
    dataset = read_json(event["DATASET_URL"])["dataset"]
    url, target, report = event["INPUT_URL"], event["OUTPUT_URL"], {"jobId": event["JOB_ID"]}
    before = read_json(url + "report.json") if url.endswith("/") else None
    if "INPUT_URLS" in event:
        report["objects"] = [
            {"place": found["place"], "url": found["url"], **about}
            for found in read_json(event["INPUT_URLS"])["objects"]
            for about in [one_of_several(event, dataset, found, before)]
        ]
    else:
        report.update(one(event, dataset, url, target, before))
    body = json.dumps(report)
    s3.put_object(**place(target + "report.json"), Body=body.encode())
    print(body)
    return report if "INPUT_URLS" not in event else {"jobId": event["JOB_ID"]}


def one_of_several(event, dataset, found, before):
    """One object of the unit; behind another job, what that has written of it."""
    below = f"objects/{found['place']:04d}/"
    target = event["OUTPUT_URL"] + below
    if before is None:
        return one(event, dataset, found["url"], target, None)
    reported = {about["place"]: about for about in before["objects"]}[found["place"]]
    return one(event, dataset, event["INPUT_URL"] + below, target, reported)


def one(event, dataset, url, target, before):
    """From one object, or what the job before has written, to the files below `target`.

    Args:
        before: what that job reported; None: `url` is an object.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, rejects = os.path.join(folder, "rows.csv"), os.path.join(folder, "rejected.jsonl")
        report = work(event, dataset, url, before, output, rejects)
        for file, key in ((output, "data/part-00000.csv"), (rejects, "rejected.jsonl")):
            s3.upload_file(file, *place(target + key).values())
    return report


def read_json(url):
    return json.load(s3.get_object(**place(url))["Body"])


def work(event, dataset, url, before, output, rejects):
    """Every row from the input to one of the two files; the counts of report.json."""
    names = [column["name"] for column in dataset["columns"]]
    report = dict.fromkeys(("rowsIn", "rowsOut", "rowsFiltered", "rowsBad", "rowsRemoved"), 0)
    if before is not None:
        rows = rows_of_job(url, before, report, rejects)
    else:
        rows = counted(source_rows(url, dataset), report)
    with open(output, "w", encoding="utf-8", newline="") as out, open(rejects, "a") as bad:
        writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for line, row in rows:
            try:
                if isinstance(row, Rejected):
                    raise row
                writer.writerow(enriched(row, event))
                report["rowsOut"] += 1
            except Rejected as error:
                report["rowsBad"] += 1
                about = {"source": url, "line": line, "rule": "enrich", "reason": str(error)}
                raw = error.raw or json.dumps(row, ensure_ascii=False)
                bad.write(json.dumps({**about, "raw": raw}) + "\n")
    return report


def counted(rows, report):
    for row in rows:
        report["rowsIn"] += 1
        yield row


def source_rows(url, dataset):
    """Rows of the source by the contract's column names, each with the line it begins in.

    A line of a batch of items is an item. What cannot be read is Rejected, in its place.
    """
    form = dataset.get("format", {"type": "csv"})
    packed = form.get("compression", "auto")
    is_gzip = packed == "gzip" or (packed == "auto" and url.endswith(".gz"))
    text = text_of(url, form.get("encoding", "utf-8"), is_gzip)
    wanted = [
        (column["name"], column.get("source", column["name"])) for column in dataset["columns"]
    ]
    if form["type"] == "jsonl":
        return json_rows(text, wanted)
    if form["type"] == "csv" and form.get("header", True):
        return csv_rows(text, wanted, form.get("delimiter", ","), form.get("quote", '"'))
    raise ValueError(f"this function reads CSV with a header and JSON lines, not {form}")


def json_rows(text, wanted):
    for line, document in enumerate(text, start=1):
        if not document.strip():
            continue
        try:
            plain, exact = (
                json.loads(document),
                json.loads(document, parse_float=str, parse_int=str),
            )
        except ValueError as error:
            yield line, malformed(f"not JSON: {error}", document)
            continue
        if isinstance(plain, dict):  # numbers stay as they are written
            yield line, {name: as_text(plain.get(key), exact.get(key)) for name, key in wanted}
        else:
            yield line, malformed("not a JSON object", document)


def malformed(reason, raw):
    found = Rejected(reason)
    found.raw = raw.rstrip("\r\n")
    return found


def as_text(plain, exact):
    if exact is None or isinstance(exact, str):
        return exact
    return json.dumps(plain, ensure_ascii=False)


def csv_rows(text, wanted, delimiter=",", quote='"'):
    reader = csv.reader(text, delimiter=delimiter, quotechar=quote)
    header = [name.strip().lower() for name in next(reader, [])]
    missing = [source for _, source in wanted if source.strip().lower() not in header]
    if missing:
        raise ValueError(f"the header lacks {', '.join(missing)}; it has {', '.join(header)}")
    places = {name: header.index(source.strip().lower()) for name, source in wanted}
    begins = reader.line_num + 1
    for fields in reader:
        if len(fields) == len(header):
            yield begins, {name: fields[at] or None for name, at in places.items()}
        elif fields:
            yield (
                begins,
                malformed(
                    f"{len(fields)} fields, the header has {len(header)}", delimiter.join(fields)
                ),
            )
        begins = reader.line_num + 1


def rows_of_job(url, before, report, rejects):
    """Rows of the job before this one, whose counts and rejected rows are carried on.

    Over a batch of items, a row's number is that of its item: what the job before has not rejected,
    in order.
    """
    if before.get("format", "csv") != "csv":
        raise ValueError(f"this function reads CSV of the job before it, not {before['format']}")
    report.update({name: before.get(name, 0) for name in report if name != "rowsOut"})
    s3.download_file(*place(url + "rejected.jsonl").values(), rejects)
    with open(rejects, encoding="utf-8") as lines:
        taken = {json.loads(line).get("line") for line in lines}
    (file,) = before.get("files", ["data/part-00000.csv"])
    return numbered(csv.DictReader(text_of(url + file)), taken)


def numbered(rows, taken):
    number = 0
    for row in rows:
        number += 1
        while number in taken:
            number += 1
        yield number, {name: value or None for name, value in row.items()}


def text_of(url, encoding="utf-8", is_gzip=False):
    """The object's text, read as it comes."""
    body = s3.get_object(**place(url))["Body"]
    encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    stream = gzip.GzipFile(fileobj=body) if is_gzip else Readable(body)
    return io.TextIOWrapper(io.BufferedReader(stream), encoding, newline="")


class Readable(io.RawIOBase):
    """What S3 sends, as io wants it."""

    def __init__(self, body):
        self.body = body

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self.body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def place(url):
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}
