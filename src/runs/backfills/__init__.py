"""Backfills: which windows are run, in which order, by which execution, until when."""
