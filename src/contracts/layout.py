"""The S3 keys of everything that a run writes. All are derived, so a repeat overwrites itself.

data bucket   runs/<run_id>/dataset.json                      the contract as this run read it
              runs/<run_id>/manifest/summary.json             count, bytes, shards
              runs/<run_id>/manifest/objects-00000.json       a thousand units; as the run's second
                                                              attempt listed them:
                                                              objects-00000-2.json
              runs/<run_id>/manifest/groups/0000000.json      the objects of a unit that holds
                                                              several; 0000000-2.json likewise
              runs/<run_id>/manifest/part-00000.json          of earlier releases: those of a shard
              runs/<run_id>/plan-<attempt>.json               what the shards of a large run go by
              runs/<run_id>/units/<unit>/jobs/<stage>/<attempt>/   one job's output
              runs/<run_id>/units/<unit>/inputs/0000-0199.json   of a unit that holds several
                                                              objects: those that its jobs read
              runs/<run_id>/units/<unit>/findings.json        broken rules: counts and examples
              runs/<run_id>/units/<unit>/findings-transform.json   likewise, of unstorable rows
              runs/<run_id>/units/<unit>/error-<stage>.json   why a stage failed, of a contract
                                                              with `examples: false`
              runs/<run_id>/units/<unit>/objects-valid.json   of a unit that holds several objects:
                                                              what validate made of each
              runs/<run_id>/units/<unit>/objects.json         likewise transform
              runs/<run_id>/units/<unit>/valid/part-<file>.parquet
              runs/<run_id>/units/<unit>/output/part-00000.parquet
              runs/<run_id>/units/<unit>/load-<digest>.json   statements of the load of these rows
              runs/<run_id>/units/<unit>/copy-manifest-<digest>.json   the files that it copies
              runs/<run_id>/units/<unit>/files-planned.json   keys that a unit's files may have
              runs/<run_id>/files/<unit>.json                 its files in the output bucket
              runs/<run_id>/units/RUN/load.json               statements of the run's own rows
              runs/<run_id>/warehouse/<attempt>/units.jsonl.gz   for pipeline_units; also jobs
              runs/<run_id>/items/batches/0000025.jsonl       of an array: items 25 and following
              runs/<run_id>/items/results/0000031.json        result of item 31
              runs/<run_id>/resent/<digest>.csv               corrected rows, sent by a person
              runs/<run_id>/published/<attempt>/<run>-00000.jsonl   lines of an output manifest
              runs/<run_id>/results.json
              quarantine/<dataset>/<run_id>/<unit>.jsonl      rejected rows with their reasons
              quarantine/<dataset>/<run_id>/<unit>-transform.jsonl   rows that no store takes
              published/<range>/<generation>/<run_id>         empty: a run that published files
              stored-objects/<dataset>/<scope>/runs/<run_id>-<attempt>-<digest>   of one run
              stored-objects/<dataset>/<scope>/merged/<digest>   of many runs
              stored-objects/<dataset>/<scope>/index.json     which of those count
              stored-objects/<dataset>/rebuilding.json        how far a rebuild got
output bucket <prefix>/<column=value>/…/<run_id>-<unit>-00000.csv   see contracts.output.files
              <prefix>/_runs/<run_id>.json                    see contracts.output.manifest
code bucket   datasets/<name>.yaml   jobs/<script>.py   sql/<table>.sql   pools.yaml
"""

from __future__ import annotations

import re
from typing import Final

POOLS_KEY: Final = "pools.yaml"
LANDING_PREFIX: Final = "landing/"
MANIFESTS: Final = "_runs/"  # below a prefix of the output bucket; Spark and Hive skip names with _
RUN_UNIT: Final = "RUN"  # stands for the whole run where a unit id is expected


def unit_id(shard: int, index: int) -> str:
    """`00002-017`: the 18th unit of the third shard; sorts in manifest order."""
    return f"{shard:05d}-{index:03d}"


def split_unit_id(unit: str) -> tuple[int, int]:
    """The shard and the index within it of a unit id."""
    shard, index = unit.split("-")
    return int(shard), int(index)


def dataset_source_key(dataset_name: str) -> str:
    return f"datasets/{dataset_name}.yaml"


def run_prefix(run_id: str) -> str:
    """Of all files of a run, but for its rejected rows."""
    return f"runs/{run_id}/"


def dataset_snapshot_key(run_id: str) -> str:
    return f"runs/{run_id}/dataset.json"


def manifest_summary_key(run_id: str) -> str:
    return f"runs/{run_id}/manifest/summary.json"


def manifest_part_key(run_id: str, shard: int, run_attempt: int = 1) -> str:
    """Of earlier releases. Each attempt writes its own parts; the summary names the attempt whose
    parts are valid."""
    of_attempt = f"-{run_attempt}" if run_attempt > 1 else ""
    return f"runs/{run_id}/manifest/part-{shard:05d}{of_attempt}.json"


def manifest_pack_key(run_id: str, pack: int, run_attempt: int = 1) -> str:
    """Each attempt writes its own packs, as with parts."""
    of_attempt = f"-{run_attempt}" if run_attempt > 1 else ""
    return f"runs/{run_id}/manifest/objects-{pack:05d}{of_attempt}.json"


def plan_key(run_id: str, run_attempt: int) -> str:
    """The plan of a run of several shards, for their executions."""
    return f"runs/{run_id}/plan-{run_attempt}.json"


def group_key(run_id: str, number: int, run_attempt: int = 1) -> str:
    """Of a `contracts.manifest.ObjectGroup`, numbered over the whole run from 0."""
    of_attempt = f"-{run_attempt}" if run_attempt > 1 else ""
    return f"runs/{run_id}/manifest/groups/{number:07d}{of_attempt}.json"


def unit_prefix(run_id: str, unit: str) -> str:
    return f"runs/{run_id}/units/{unit}/"


def job_prefix(run_id: str, unit: str, stage: str, attempt: int) -> str:
    """Where a job writes; named by the job's key, so a duplicate overwrites itself."""
    return f"{unit_prefix(run_id, unit)}jobs/{stage}/{attempt}/"


def inputs_key(run_id: str, unit: str, first: int, last: int) -> str:
    """Of a `contracts.source.unit_inputs.UnitInputs`.

    Args:
        first, last: places of its objects in the unit.
    """
    return f"{unit_prefix(run_id, unit)}inputs/{first:04d}-{last:04d}.json"


def object_output_prefix(place: int) -> str:
    """Below the output of a job that reads several objects: what it wrote of one of them."""
    return f"objects/{place:04d}/"


def findings_key(run_id: str, unit: str) -> str:
    return f"{unit_prefix(run_id, unit)}findings.json"


def error_key(run_id: str, unit: str, stage: str) -> str:
    return f"{unit_prefix(run_id, unit)}error-{stage}.json"


def objects_valid_key(run_id: str, unit: str) -> str:
    """Of a `contracts.source.object_outcomes.ObjectOutcomes`, as validate leaves it."""
    return f"{unit_prefix(run_id, unit)}objects-valid.json"


def objects_key(run_id: str, unit: str) -> str:
    """Of a `contracts.source.object_outcomes.ObjectOutcomes`, as transform leaves it."""
    return f"{unit_prefix(run_id, unit)}objects.json"


def valid_prefix(run_id: str, unit: str) -> str:
    return f"{unit_prefix(run_id, unit)}valid/"


def transform_findings_key(run_id: str, unit: str) -> str:
    return f"{unit_prefix(run_id, unit)}findings-transform.json"


def output_prefix(run_id: str, unit: str) -> str:
    return f"{unit_prefix(run_id, unit)}output/"


def load_key(run_id: str, unit: str, digest: str | None = None) -> str:
    """Statements of a load.

    Args:
        digest: of what is loaded, so that a load of other rows is another one.
    """
    return f"{unit_prefix(run_id, unit)}load{f'-{digest}' if digest else ''}.json"


def copy_manifest_key(run_id: str, unit: str, digest: str) -> str:
    return f"{unit_prefix(run_id, unit)}copy-manifest-{digest}.json"


def files_planned_key(run_id: str, unit: str) -> str:
    """The keys that a unit's files have or had; written before the first file."""
    return f"{unit_prefix(run_id, unit)}files-planned.json"


def files_records_prefix(run_id: str) -> str:
    """Prefix of the records of units' files; each is written once its files are there."""
    return f"runs/{run_id}/files/"


def files_record_key(run_id: str, unit: str) -> str:
    """Of a `contracts.output.files.UnitFiles`."""
    return f"{files_records_prefix(run_id)}{unit}.json"


def warehouse_rows_key(run_id: str, run_attempt: int, table: str) -> str:
    return f"runs/{run_id}/warehouse/{run_attempt}/{table}.jsonl.gz"


def item_batches_prefix(run_id: str) -> str:
    return f"runs/{run_id}/items/batches/"


def item_batch_key(run_id: str, first: int) -> str:
    """A batch of an array's items, one JSON text a line; named by its first item's index."""
    return f"{item_batches_prefix(run_id)}{first:07d}.jsonl"


def first_item(batch_key: str) -> int:
    """The index in its array of a batch's first item.

    Raises:
        ValueError: not the key of a batch.
    """
    match = re.search(r"/items/batches/([0-9]{7,})\.jsonl\Z", batch_key)
    if match is None:
        raise ValueError(f"not a batch of items: {batch_key!r}")
    return int(match[1])


def item_results_prefix(run_id: str) -> str:
    return f"runs/{run_id}/items/results/"


def item_result_key(run_id: str, index: int) -> str:
    return f"{item_results_prefix(run_id)}{index:07d}.json"


def output_manifest_key(prefix: str, run_id: str) -> str:
    """Of a `contracts.output.manifest.OutputManifest`, in the output bucket.

    Args:
        prefix: of the target; ends with `/`.
    """
    return f"{prefix}{MANIFESTS}{run_id}.json"


def publish_page_key(run_id: str, run_attempt: int, of_run: str, page: int) -> str:
    """Lines of the manifest of `of_run` that this run is making, until all are there."""
    return f"runs/{run_id}/published/{run_attempt}/{of_run}-{page:05d}.jsonl"


def published_prefix(range_id: str) -> str:
    """Prefix of the markers that runs over a range write after their output manifests."""
    return f"published/{range_id}/"


def published_key(range_id: str, generation: str, run_id: str) -> str:
    return f"{published_prefix(range_id)}{generation}/{run_id}"


def stored_objects_prefix(dataset_name: str) -> str:
    """Prefix of what says which objects are stored (`sources.stored_objects`)."""
    return f"stored-objects/{dataset_name}/"


def stored_objects_progress_key(dataset_name: str) -> str:
    """How far `pipeline dataset rebuild-stored` got that was interrupted."""
    return f"{stored_objects_prefix(dataset_name)}rebuilding.json"


def resent_key(run_id: str, digest: str, ending: str) -> str:
    """Where corrected rows of this run are stored that `pipeline resend` sends again."""
    return f"runs/{run_id}/resent/{digest}{ending}"


def resent_from(bucket: str, url: str) -> str | None:
    """The run whose corrected rows an object of the data bucket holds; None: it holds none."""
    match = re.fullmatch(r"runs/([^/]+)/resent/[^/]+", url.removeprefix(f"s3://{bucket}/"))
    return match[1] if match else None


def results_key(run_id: str) -> str:
    return f"runs/{run_id}/results.json"


def quarantine_key(dataset_name: str, run_id: str, unit: str) -> str:
    return f"{quarantine_prefix(dataset_name, run_id)}{unit}.jsonl"


def transform_quarantine_key(dataset_name: str, run_id: str, unit: str) -> str:
    """Separate from validate's, so that either step may be repeated on its own."""
    return f"{quarantine_prefix(dataset_name, run_id)}{unit}-transform.jsonl"


def quarantine_prefix(dataset_name: str, run_id: str) -> str:
    """Prefix of the quarantined objects of a run; each name begins with its unit's id."""
    return f"quarantine/{dataset_name}/{run_id}/"


def quarantined_unit(key: str) -> str:
    """The unit of an object in the quarantine."""
    return key.rpartition("/")[2].removesuffix(".jsonl").removesuffix("-transform")


def s3_url(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}"


def split_s3_url(url: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`.

    Raises:
        ValueError: not an S3 URL with a bucket and a key.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise ValueError(f"not an S3 URL (s3://bucket/key): {url!r}")
    return bucket, key
