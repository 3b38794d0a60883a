"""docs/extending.md: its code fits today's tree and does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest
from extension import PAGE, Block, DoesNotFit, Tree, blocks

STEP = "A step between two stages"
CHECK = "A column check"
ENGINE = "An engine"
TARGET = "A target"
HANDLER = "src/steps/enrich.py"
MEMORY = "tests/test_template.py::test_each_orchestrator_is_given_the_memory_that_each_step_has"
KEY = "tests/test_own_key.py::test_every_role_that_uses_the_service_may_use_the_key_through_it"
OF_EVERY_STEP = ("tests/test_steps.py", "tests/test_alarms.py", KEY, MEMORY)

pytestmark = pytest.mark.slow


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def test_a_step_works_as_the_page_has_it(tree: Tree) -> None:
    planned = "tests/durable_pipeline/test_pipeline.py::"
    failed = tree.apply(STEP).failures(
        "tests/steps/test_enrich.py",
        *OF_EVERY_STEP,
        planned + "test_a_unit_costs_the_operations_that_are_planned_for_it",
    )
    assert not failed


def test_a_step_touches_five_files_and_sixty_lines_at_most(tree: Tree) -> None:
    changes = tree.apply(STEP).changes()
    del changes[HANDLER]
    assert set(changes) == {
        "src/contracts/messages/unit.py",
        "src/contracts/steps.py",
        "src/durable_pipeline/unit.py",
        "template.yaml",
        "tests/steps/test_enrich.py",
    }
    assert sum(changes.values()) <= 60, changes


def test_a_column_check_an_engine_and_a_target_work_as_the_page_has_them(tree: Tree) -> None:
    """All three in one tree: none is in the way of another."""
    for section in (CHECK, ENGINE, TARGET):
        tree.apply(section)
    new = ("steps/test_longest.py", "remote_jobs/test_batch_jobs.py", "steps/test_store_queue.py")
    of_all_engines = (
        "test_every_state_of_an_engine_is_mapped",
        "test_every_engine_has_an_adapter_and_a_reader_of_logs",
    )
    assert not tree.failures(
        *(f"tests/{name}" for name in new),
        *(f"tests/remote_jobs/test_remote_jobs.py::{name}" for name in of_all_engines),
        "tests/test_steps.py",
    )


def test_what_is_forgotten_of_a_step_is_named_all_at_once(tree: Tree) -> None:
    forgotten = ("ENRICH_FUNCTION", "${EnrichFunction.Arn}")
    said = failures(tree, [b for b in blocks(STEP) if not b.code.strip().startswith(forgotten)])
    assert "add ENRICH_FUNCTION: !Ref EnrichFunction to its Environment" in said
    assert "add to the list of InvokeStepsPolicy in template.yaml" in said
    assert "add src/steps/enrich.py with @step_handler(Enrich)" in said


def test_a_function_whose_step_is_not_declared_is_named(tree: Tree) -> None:
    said = failures(tree, [b for b in blocks(STEP) if "enrich = UnitStep" not in b.code])
    assert "add enrich = … to Steps in src/contracts/steps.py" in said


def failures(tree: Tree, some: list[Block]) -> str:
    """What the tests of the steps say of a tree with these blocks, but for the handler."""
    for block in some:
        if block.file != HANDLER:
            tree.apply_block(block)
    return tree.failures("tests/test_steps.py")


def test_every_block_with_code_is_applied() -> None:
    """None is passed over because its place is written in another way."""
    sections = (STEP, CHECK, ENGINE, TARGET)
    fences = PAGE.read_text(encoding="utf-8").count("\n```") // 2
    assert fences == sum(len(blocks(section)) for section in sections)


def test_a_block_whose_place_is_gone_is_named() -> None:
    block = Block("src/a.py", "after", "here", "code\n")
    assert block.applied_to("x\nhere\ny\n") == "x\nhere\ncode\ny\n"
    with pytest.raises(DoesNotFit, match=r"src/a\.py: 0 lines are 'here'"):
        block.applied_to("there\n")
    with pytest.raises(DoesNotFit, match="2 lines"):
        block.applied_to("here\nhere\n")
