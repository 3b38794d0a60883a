"""How a column's texts are written where a contract says so, as layers of SQL over a relation.

The texts of the source stay as they are, for evidence. Beside them come texts without what means
nothing (`trim`, `nulls`), then what they are read as, then their values. A column of which the
contract says nothing needs none of these layers, and its SQL is that of `values.casts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reading_rules.sql import sql_identifier, sql_literal, text_column
from reading_rules.values.casts import cast_text
from reading_rules.values.numbers import NumberForm, number_example, plain_number
from reading_rules.values.times import EPOCHS, OFFSET, reading, shown_forms, time_form
from reading_rules.values.zones import instants_in

# What Unicode calls white space (White_Space, PropList.txt).
_WHITE_SPACE: Final = (
    "\t\n\x0b\x0c\r \x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
_HAS_OFFSET: Final = rf"[T ]\d{{2}}:\d{{2}}.*{OFFSET}$"


class ValueForm(NamedTuple):
    """A column, and how its texts are written; the fields are those of a contract's column."""

    name: str
    kind: str = "string"
    formats: tuple[str, ...] = ()
    zone: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    percent: bool = False
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()
    trim: bool = False
    nulls: tuple[str, ...] = ()

    @property
    def is_cleaned(self) -> bool:
        """Whether its text is another than the source's."""
        return self.trim or bool(self.nulls)

    @property
    def text(self) -> str:
        """SQL of its text, as checks see it."""
        return sql_identifier(f"clean-{self.name}") if self.is_cleaned else text_column(self.name)

    @property
    def numbers(self) -> NumberForm | None:
        """How its numbers are written, where not as SQL does."""
        if not (self.decimal or self.thousands or self.percent):
            return None
        decimal, is_whole = self.decimal or ".", self.kind == "integer"
        return NumberForm(decimal, self.thousands, self.percent, takes_exponent=not is_whole)

    @property
    def may_be_several(self) -> bool:
        """Whether a text may have more than one reading."""
        return self.zone is not None or len(self.formats) > 1

    @property
    def is_plain(self) -> bool:
        """Whether its texts are as the type has them."""
        return not (self.formats or self.zone or self.numbers or self.true_values)


class Fault(NamedTuple):
    """A way in which a text can be no value of its column.

    Attributes:
        broken: SQL, true for a row whose text is none in this way.
        reason: for people; `{value}` stands for the text.
    """

    broken: str
    rule: str
    reason: str


def value_form(column: Mapping[str, Any]) -> ValueForm:
    """What a contract's column says of its texts.

    Args:
        column: as JSON.
    """
    formats = column.get("format") or ()
    return ValueForm(
        name=column["name"],
        kind=column.get("type", "string"),
        formats=(formats,) if isinstance(formats, str) else tuple(formats),
        zone=column.get("zone"),
        decimal=column.get("decimal"),
        thousands=column.get("thousands"),
        percent=bool(column.get("percent")),
        true_values=tuple(column.get("trueValues") or ()),
        false_values=tuple(column.get("falseValues") or ()),
        trim=bool(column.get("trim")),
        nulls=tuple(column.get("nulls") or ()),
    )


def with_readings(relation: str, forms: Sequence[ValueForm]) -> str:
    """The relation of texts with what the values are made of beside them; mostly as it is."""
    for layer in (_clean_texts(forms), _readings(forms), _instants(forms)):
        added = ", ".join(f"{sql} AS {name}" for name, sql in layer)
        if added:
            relation = f"(SELECT *, {added} FROM {relation})"
    return relation


def value_of(form: ValueForm) -> str:
    """SQL of the value, over what `with_readings` returns; NULL where the text is none."""
    if form.is_plain:
        return cast_text(form.text, form.kind)
    if form.numbers:
        return cast_text(_reading_name(form), form.kind)
    if form.true_values:
        yes, no = (
            ", ".join(sql_literal(text) for text in texts)
            for texts in (form.true_values, form.false_values)
        )
        value = f"trim({form.text})"
        return f"CASE WHEN {value} IN ({yes}) THEN true WHEN {value} IN ({no}) THEN false END"
    if not form.may_be_several:
        return reading(f"trim({form.text})", form.formats[0], form.kind)
    found = _instants_name(form) if form.zone else _reading_name(form)
    one = f"CASE WHEN len({found}) = 1 THEN {found}[1] END"
    if form.zone:
        return f"CASE WHEN len({_reading_name(form)}) = 1 THEN {one} END"
    return one


def castable(forms: Iterable[ValueForm]) -> str:
    """True for a row of which every text is missing or a value of its column's type."""
    typed = [form for form in forms if form.kind != "string"]
    return " AND ".join(f"NOT ({_uncastable(form)})" for form in typed) or "true"


def filtered_out(forms: Iterable[ValueForm], query: str) -> str:
    """True for a row that the query leaves out: one all of whose values have their types.

    Args:
        query: SQL of a person, which may end in a comment.
    """
    return f"{castable(forms)} AND ({query}\n) IS NOT TRUE"


def faults(form: ValueForm, article_and_type: str) -> Iterator[Fault]:
    """How a text that is there can be no value of the column, each with its reason.

    Args:
        article_and_type: such as `a date`, for the sentence.
    """
    none = _uncastable(form)
    is_one = f"{{value}} is not {article_and_type}"
    found = _reading_name(form)
    if len(form.formats) > 1:
        yield Fault(
            f"len({found}) > 1",
            "ambiguous",
            f"{{value}} is read differently as {_escaped(shown_forms(form.formats))},"
            " so which one is meant is not known",
        )
    if form.zone:
        met = _instants_name(form)
        yield Fault(
            f"len({found}) = 1 AND len({met}) = 0",
            "zone",
            f"{{value}} does not exist in {form.zone}: the clocks are put forward past it",
        )
        yield Fault(
            f"len({found}) = 1 AND len({met}) > 1",
            "zone",
            f"{{value}} comes twice in {form.zone}, as the clocks are put back; only with its"
            " offset from UTC it would be known which one is meant",
        )
    if form.may_be_several:  # of what the faults above are not about
        none += f" AND (len({found}) = 0"
        none += f" OR {_instants_name(form)} IS NULL)" if form.zone else ")"
    yield Fault(none, "type", is_one + _how_written(form))


def _uncastable(form: ValueForm) -> str:
    """True for a row whose text of this column is no value of its type."""
    return f"{form.text} IS NOT NULL AND {sql_identifier(form.name)} IS NULL"


def _how_written(form: ValueForm) -> str:
    if form.formats:
        return f" of the form {_escaped(shown_forms(form.formats))}"
    if form.numbers:
        with_fraction = number_example(form.numbers, has_fraction=form.kind != "integer")
        return f" written as {with_fraction}"
    if form.true_values:
        yes, no = (", ".join(texts) for texts in (form.true_values, form.false_values))
        return _escaped(f": true is {yes}, false is {no}")
    return ""


def _clean_texts(forms: Iterable[ValueForm]) -> Iterator[tuple[str, str]]:
    for form in forms:
        if not form.is_cleaned:
            continue
        sql = text_column(form.name)
        if form.trim:
            sql = f"nullif(trim({sql}, {sql_literal(_WHITE_SPACE)}), '')"
        if form.nulls:
            texts = ", ".join(sql_literal(text) for text in form.nulls)
            sql = f"CASE WHEN {sql} NOT IN ({texts}) THEN {sql} END"
        yield form.text, sql


def _readings(forms: Iterable[ValueForm]) -> Iterator[tuple[str, str]]:
    """Of numbers their plain texts, of times all their readings."""
    for form in forms:
        value = f"trim({form.text})"
        if form.numbers:
            yield _reading_name(form), plain_number(value, form.numbers)
        elif form.may_be_several:
            yield _reading_name(form), _distinct([*_local(form, value), *_fixed(form, value)])
            if form.zone:
                yield _fixed_name(form), _distinct(_fixed(form, value))


def _instants(forms: Iterable[ValueForm]) -> Iterator[tuple[str, str]]:
    for form in forms:
        if form.zone:
            fixed, found = _fixed_name(form), f"{_reading_name(form)}[1]"
            met = instants_in(form.zone, found)
            yield _instants_name(form), f"CASE WHEN len({fixed}) > 0 THEN {fixed} ELSE {met} END"


def _local(form: ValueForm, value: str) -> Iterator[str]:
    """Readings of texts that do not say how far they are from UTC."""
    for text in form.formats:
        if not _says_offset(text):
            yield reading(value, text, form.kind)
    if not form.formats:
        own = cast_text(form.text, form.kind)
        yield f"CASE WHEN NOT regexp_matches({value}, {sql_literal(_HAS_OFFSET)}) THEN {own} END"


def _fixed(form: ValueForm, value: str) -> Iterator[str]:
    """Readings of those that do."""
    for text in form.formats:
        if _says_offset(text):
            yield reading(value, text, form.kind)
    if not form.formats:
        own = cast_text(form.text, form.kind)
        yield f"CASE WHEN regexp_matches({value}, {sql_literal(_HAS_OFFSET)}) THEN {own} END"


def _says_offset(text: str) -> bool:
    return text in EPOCHS or time_form(text).has_offset


def _distinct(readings: Iterable[str]) -> str:
    return f"list_distinct([{', '.join(readings)}])"  # which leaves NULL out


def _reading_name(form: ValueForm) -> str:
    return sql_identifier(f"read-{form.name}")


def _fixed_name(form: ValueForm) -> str:
    return sql_identifier(f"fixed-{form.name}")


def _instants_name(form: ValueForm) -> str:
    return sql_identifier(f"instants-{form.name}")


def _escaped(text: str) -> str:
    """For use in a `str.format` template."""
    return text.replace("{", "{{").replace("}", "}}")
