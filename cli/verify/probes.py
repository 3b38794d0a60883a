"""The runs that `verify` sends: contracts made of those that are shipped, and known rows. Pure."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from contracts import layout

ROOT: Final = Path(__file__).resolve().parents[2]
PREFIX: Final = "verify"  # of objects in the data bucket, of datasets, runs and warehouse tables
GOOD_ROWS: Final = 3
STOPPED_BY: Final = "stopped by pipeline verify"  # the error recorded for the stopped run
STOPPED_OBJECTS: Final = 12  # one after another, so that the run lasts until it is stopped
_READINGS: Final = (
    "id,recorded_at,value,unit\n"
    "one,2026-11-01T08:00:00Z,1.5,C\n"
    "two,2026-11-01T09:00:00Z,-2,C\n"
    "three,2026-11-01T10:00:00Z,0.25,\n"
)
_BROKEN_READINGS: Final = "id,recorded_at,value,unit\none,yesterday,many,C\ntwo,today,few,C\n"
_ORDERS: Final = (
    "order_id,customer_id,ordered_at,shipped_on,status,country,items,amount,currency,gift,{more}note\n"
    "ORD-00000001,C000001,2026-11-01T08:00:00Z,,placed,DE,1,10.00,EUR,false,{changed}\n"
    "ORD-00000002,C000002,2026-11-01T09:00:00Z,2026-11-02,shipped,AT,2,20.50,EUR,true,{changed}\n"
    "ORD-00000003,C000003,2026-11-01T10:00:00Z,,paid,GB,3,0.99,GBP,,{changed}\n"
)


@dataclass(frozen=True)
class Probe:
    """One run.

    Attributes:
        name: what it is for: `plain`, an engine, or `stop`.
        contract: of the dataset, as it is uploaded.
        objects: keys in the data bucket and their bodies.
        request: the message.
        table: of the warehouse; None without one.
    """

    name: str
    contract: Mapping[str, Any]
    objects: Mapping[str, bytes]
    request: Mapping[str, Any]
    table: str | None = None

    @property
    def dataset(self) -> str:
        return str(self.contract["name"])

    @property
    def contract_key(self) -> str:
        return layout.dataset_source_key(self.dataset)

    @property
    def run_id(self) -> str:
        return str(self.request["runId"])

    @property
    def keys_of_items(self) -> tuple[str, ...]:
        """The partition keys of the rows that it stores in DynamoDB."""
        orders = tuple(f"ORD-0000000{number}" for number in range(1, GOOD_ROWS + 1))
        keys = ("one", "two", "three") if self.name == "plain" else orders
        return tuple(f"{self.dataset}#{key}" for key in keys)


def probes(parameters: Mapping[str, str], probe_id: str) -> tuple[Probe, ...]:
    """Those that the deployment has the engines for.

    Args:
        parameters: of the template.
        probe_id: distinguishes this verification from others; lower-case letters, digits and `_`.
    """
    warehouse = any(
        parameters.get(name) for name in ("RedshiftClusterIdentifier", "RedshiftWorkgroupName")
    )
    found = [_plain(probe_id, warehouse=warehouse), _of_glue("glue", probe_id, 1)]
    if parameters.get("EmrClusterId"):
        found.append(_of_spark("emr", probe_id))
        if parameters.get("SsmInstanceId"):
            found.append(_of_spark("emr-ssm", probe_id))
    if parameters.get("EmrServerlessApplicationId"):
        found.append(_of_spark("emr-serverless", probe_id))
    found.append(_of_glue("stop", probe_id, STOPPED_OBJECTS))
    return tuple(found)


def _plain(probe_id: str, *, warehouse: bool) -> Probe:
    """Known rows, and an object that validation refuses whole."""
    table = f"public.{PREFIX}_{probe_id}" if warehouse else None
    contract = _contract("standard", "plain", probe_id)
    contract["targets"] = {"dynamodb": {"key": ["id"]}}
    if table:
        contract["targets"]["redshift"] = {"table": table, "key": ["id"]}
    bodies = {"good.csv": _READINGS, "refused.csv": _BROKEN_READINGS}
    return _probe("plain", contract, bodies, {"maxConcurrency": 2}, table)


def upload_contract(probe_id: str) -> dict[str, Any]:
    """Of a dataset that takes uploads: its objects lie where an upload starts a run."""
    contract = _contract("standard", "upload", probe_id)
    contract["source"] = {"prefix": f"{layout.LANDING_PREFIX}{contract['name']}/"}
    contract["targets"] = {"dynamodb": {"key": ["id"]}}
    return contract


def _of_glue(name: str, probe_id: str, objects: int) -> Probe:
    contract = _contract("orders", name, probe_id)
    contract["jobs"][0]["attempts"] = 1
    body = _ORDERS.format(more="", changed="")
    bodies = {f"{number:02d}.csv": body for number in range(objects)}
    more = {"detached": True} if name == "stop" else {}
    return _probe(name, contract, bodies, more)


def _of_spark(engine: str, probe_id: str) -> Probe:
    contract = _contract("orders_spark", engine, probe_id)
    for job in contract["jobs"]:
        job["attempts"] = 1
    contract["jobs"][1]["engine"] = engine
    body = _ORDERS.format(more="updated_at,", changed="2026-11-01T12:00:00Z,")
    return _probe(engine, contract, {"good.csv": body}, {})


@functools.cache
def _shipped(name: str) -> dict[str, Any]:
    text = (ROOT / layout.dataset_source_key(name)).read_text(encoding="utf-8")
    contract: dict[str, Any] = yaml.safe_load(text)
    return contract


def _contract(shipped: str, name: str, probe_id: str) -> dict[str, Any]:
    """A shipped contract over objects of our own, without the warehouse."""
    contract = copy.deepcopy(_shipped(shipped))
    contract["name"] = f"{PREFIX}_{probe_id}_{name.replace('-', '_')}"
    contract["description"] = "Made by pipeline verify; may be deleted"
    contract["source"] = {"prefix": f"{PREFIX}/{probe_id}/{name}/"}
    contract["targets"].pop("redshift", None)
    return contract


def _probe(
    name: str,
    contract: dict[str, Any],
    bodies: Mapping[str, str],
    more: Mapping[str, Any],
    table: str | None = None,
) -> Probe:
    prefix = contract["source"]["prefix"]
    _, probe_id, _ = prefix.split("/", 2)
    request = {
        "datasetName": contract["name"],
        "startDateTime": "2020-01-01",
        "runId": f"{PREFIX}-{probe_id}-{name}",
        # A failed unit is evidence, and no reason for the queue to deliver the message again.
        "toleratedFailurePercentage": 100,
        **more,
    }
    objects = {prefix + key: body.encode() for key, body in bodies.items()}
    return Probe(name, contract, objects, request, table)
