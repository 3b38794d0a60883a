"""What Redshift's MERGE is narrower in than DuckDB's: refused here as it would be there.

Source: r_MERGE in the Amazon Redshift Database Developer Guide.
"""

from __future__ import annotations

from sqlglot import exp

from local.local_cloud.redshift.tokens import SqlError


def check_merge(tree: exp.Merge) -> None:
    """See that Redshift would take it.

    Raises:
        SqlError: it would not.
    """
    target, source, condition = tree.this, tree.args["using"], tree.args["on"]
    if not isinstance(target, exp.Table) or target.args.get("alias"):
        raise SqlError("MERGE: the target is a table without an alias")
    if not isinstance(source, exp.Table):
        raise SqlError("MERGE: the source is a table, not a subquery")
    if tree.args.get("with_"):
        raise SqlError("MERGE cannot be used with a WITH clause")
    if not _equal_predicates(condition):
        raise SqlError("MERGE: the match condition is made of equal predicates")
    branches = tree.args["whens"].expressions
    plain = [branch for branch in branches if not branch.args.get("condition")]
    if len(plain) < len(branches) or [bool(b.args.get("matched")) for b in plain] != [True, False]:
        raise SqlError("syntax error: MERGE has one WHEN MATCHED and then one WHEN NOT MATCHED")


def _equal_predicates(condition: exp.Expr) -> bool:
    plain = condition.unnest()
    if isinstance(plain, exp.And):
        return _equal_predicates(plain.left) and _equal_predicates(plain.right)
    return isinstance(plain, exp.EQ)
