"""notify: publish that a run has started or ended."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.messages import Notify
from runs.announcement import StackSettings, run_event
from runs.topic import publish
from runtime.handler import settings_from_environment, step_handler, utc_now


@dataclass(frozen=True, kw_only=True)
class Settings(StackSettings):
    topic_arn: str


@step_handler(Notify)
def handler(message: Notify) -> None:
    settings = settings_from_environment(Settings)
    publish(settings.topic_arn, run_event(message, utc_now(), settings.stack))
