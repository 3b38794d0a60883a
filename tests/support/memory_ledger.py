"""The ledger in memory: the same operations and conditions, and an index that may be behind.

Much faster than a table of moto's. What is stored is copied and encoded as DynamoDB does it, so
that nobody shares it; conditions are boto3's own objects, evaluated here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from boto3.dynamodb.conditions import AttributeBase, ConditionBase

from contracts.ledger_items import Key
from ledger.table import Item, Ledger, Written

Call = Callable[[str, Callable[[], Any]], Any]


class MemoryLedger(Ledger):
    """A table whose every operation is one call of the outside.

    Attributes:
        changed: is given the item before and after each write.
        index_time: the time as of which the index is read next, by `now`.
    """

    def __init__(
        self,
        now: Callable[[], float] = lambda: 0.0,
        call: Call = lambda _operation, run: run(),
    ) -> None:
        super().__init__("ledger")
        self._now, self._call = now, call
        self._items: dict[Key, Item] = {}
        self._of_run: dict[str, set[str]] = defaultdict(set)
        self._versions: dict[Key, list[tuple[float, Item]]] = defaultdict(list)
        self.changed: Callable[[Key, Item | None, Item], None] = lambda _key, _old, _new: None
        self.index_time: Callable[[], float] = lambda: float("inf")

    def get_item(self, run_id: str, item: str) -> Item | None:
        def read() -> Item | None:
            found = self._items.get(Key(run_id, item))
            return None if found is None else dict(found)

        found: Item | None = self._call(f"GetItem {_kind(item)}", read)
        return found

    def query(self, run_id: str, prefix: str, after: str | None = None) -> Iterator[Item]:
        def read() -> list[Item]:
            names = sorted(name for name in self._of_run[run_id] if name.startswith(prefix))
            return [
                dict(self._items[Key(run_id, name)])
                for name in names
                if after is None or name > after
            ]

        yield from self._call(f"Query {_kind(prefix)}", read)

    def query_active(self, what: str) -> Iterator[Item]:
        def read() -> list[Item]:
            as_of = self.index_time()
            found = []
            for versions in self._versions.values():
                seen = [item for at, item in versions if at <= as_of]
                if seen and seen[-1].get("active") == what:
                    found.append(dict(seen[-1]))
            return sorted(found, key=lambda item: str(item["submitted_at"]))

        yield from self._call("Query active-jobs", read)

    def runs_held_by(self, execution_arn: str) -> Iterator[str]:
        raise NotImplementedError(execution_arn)

    def put_if_absent(self, item: Mapping[str, Any]) -> Written:
        key, written = Key(item["run_id"], item["item"]), _encoded(item)

        def put() -> Written:
            there = self._items.get(key)
            if there is not None:
                return Written(False, dict(there))
            self._write(key, written)
            return Written(True, dict(item))

        result: Written = self._call(f"PutItem {_kind(key.item)}", put)
        return result

    def update(
        self,
        run_id: str,
        item: str,
        set: Mapping[str, Any],
        remove: Sequence[str] = (),
        condition: ConditionBase | None = None,
    ) -> Written:
        key, values = Key(run_id, item), _encoded(set)

        def change() -> Written:
            there = self._items.get(key)
            if condition is not None and not _holds(condition, there or {}):
                return Written(False, None if there is None else dict(there))
            new = {**(there or key._asdict()), **values}
            self._write(key, {name: value for name, value in new.items() if name not in remove})
            return Written(True, dict(self._items[key]))

        result: Written = self._call(f"UpdateItem {_kind(item)}", change)
        return result

    def delete(self, key: Key) -> None:
        """As a person does it who cleans up."""
        del self._items[key]
        self._of_run[key.run_id].remove(key.item)

    def _write(self, key: Key, item: Item) -> None:
        old = self._items.get(key)
        self._items[key] = item
        self._of_run[key.run_id].add(key.item)
        if "active" in item or "active" in (old or {}):
            self._versions[key].append((self._now(), item))
        self.changed(key, old, item)


def _kind(item: str) -> str:
    return item.partition("#")[0]


def _encoded(value: Any) -> Any:
    """As it comes back from DynamoDB: plain, and a whole number is an int.

    Raises:
        TypeError: boto3 does not encode it.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (int, float)):
        return int(value) if float(value).is_integer() else float(value)
    if isinstance(value, Mapping):
        return {str(name): _encoded(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encoded(inner) for inner in value]
    raise TypeError(f"{type(value)} in an item")


def _holds(condition: ConditionBase, item: Mapping[str, Any]) -> bool:
    expression = condition.get_expression()
    operator, values = expression["operator"], expression["values"]
    if operator in ("AND", "OR"):
        each = [_holds(value, item) for value in values]
        return all(each) if operator == "AND" else any(each)
    if operator == "NOT":
        return not _holds(values[0], item)
    attribute, *others = values
    if not isinstance(attribute, AttributeBase):
        raise NotImplementedError(f"a condition on {attribute!r}")
    there, value = attribute.name in item, item.get(attribute.name)
    if operator == "attribute_exists":
        return there
    if operator == "attribute_not_exists":
        return not there
    if not there:
        return operator == "<>"
    if operator == "IN":
        return value in _encoded(list(others[0]))
    other = _encoded(others[0])
    return bool(
        {
            "=": lambda: value == other,
            "<>": lambda: value != other,
            "<": lambda: value < other,
            "<=": lambda: value <= other,
            ">": lambda: value > other,
            ">=": lambda: value >= other,
        }[operator]()
    )
