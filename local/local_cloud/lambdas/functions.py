"""What a Lambda function is to the local cloud: the part of the template that its sandbox needs."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from local.local_cloud.http.services import SECRET_KEY

LATEST: Final = "$LATEST"


@dataclass(frozen=True)
class DurableSpec:
    """`DurableConfig` of a function: how long an execution may take and is retained."""

    execution_timeout_seconds: int
    retention_days: int


@dataclass(frozen=True)
class FunctionSpec:
    """One function as deployed.

    Attributes:
        name: the function's name, without qualifier.
        handler: `package.module.function`.
        code_dirs: first entries of `sys.path`, in order: the code, then its layers. The first is
            the working directory.
        environment: `Environment.Variables`, resolved.
        timeout_seconds: of one invocation.
        memory_mb: passed to the function; not enforced, but one that is killed with more than that
            is reported as out of memory.
        durable: None for a plain function.
        aliases: the version behind each alias, e.g. `{"live": "1"}`.
        role_arn: execution role, as GetFunction returns it.
        tenant_isolated: `TenancyConfig` says PER_TENANT: every invocation names its tenant, and
            no sandbox serves two of them.
        versions: those published before the newest one, which is equal to `$LATEST`, by number.
    """

    name: str
    handler: str
    code_dirs: tuple[Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 3
    memory_mb: int = 128
    durable: DurableSpec | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    role_arn: str = ""
    tenant_isolated: bool = False
    versions: Mapping[str, FunctionSpec] = field(default_factory=dict)

    @property
    def newest_version(self) -> str:
        """The number of the version that is equal to `$LATEST`."""
        return str(len(self.versions) + 1)

    def at(self, version: str) -> FunctionSpec:
        """The function as it was when a version was published."""
        return self.versions.get(version, self)

    def published_after(self, before: FunctionSpec) -> Mapping[str, FunctionSpec]:
        """The versions that stay behind when this takes the place of `before`.

        As with PublishVersion, what is unchanged makes no new version (Lambda Developer Guide,
        "Manage Lambda function versions"). Code in the same directories counts as unchanged.
        """
        if replace(self, aliases={}, versions={}) == replace(before, aliases={}, versions={}):
            return before.versions
        return {**before.versions, before.newest_version: before}

    def version_of(self, qualifier: str | None) -> str | None:
        """The version that a qualifier refers to, or None when there is none.

        No qualifier means `$LATEST`; the published versions are those that aliases point at, and
        those of earlier deployments.
        """
        if qualifier is None or qualifier == LATEST:
            return LATEST
        if qualifier in self.aliases:
            return self.aliases[qualifier]
        published = {*self.aliases.values(), *self.versions}
        return qualifier if qualifier in published else None

    def tenant_error(self, tenant_id: str | None) -> str | None:
        """Why an invocation for this tenant is refused; None when it is not.

        The wording for a missing tenant is Lambda's ("Building multi-tenant SaaS applications with
        AWS Lambda's new tenant isolation mode", AWS Compute Blog). That a tenant is refused where
        there are none is inferred.
        """
        if self.tenant_isolated and tenant_id is None:
            return (
                "The invoked function is enabled with tenancy configuration. Add a valid tenant ID "
                "in your request and try again."
            )
        if not self.tenant_isolated and tenant_id is not None:
            return (
                "The invoked function is not enabled with tenancy configuration. Remove the tenant "
                "ID from your request and try again."
            )
        return None


@dataclass(frozen=True)
class HostSettings:
    """Where all functions run: passed to each of them."""

    endpoint_url: str
    region: str
    account_id: str
    log_dir: Path

    def function_arn(self, name: str) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{name}"


def access_key_id(function_name: str) -> str:
    """The access key that a function signs its calls with, so that callers can be distinguished.

    It has the form of temporary credentials (`ASIA` and 16 letters or digits) and is the same
    whenever it is asked for.
    """
    return "ASIA" + hashlib.sha256(function_name.encode()).hexdigest()[:16].upper()


def sandbox_environment(spec: FunctionSpec, version: str, settings: HostSettings) -> dict[str, str]:
    """The whole environment of a function: what Lambda sets, and on top what the template says."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return {
        "AWS_ACCESS_KEY_ID": access_key_id(spec.name),
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": spec.name,
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_ENDPOINT_URL": settings.endpoint_url,
        # Nothing of the developer's own account may leak into a function.
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{python}",
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{datetime.now(UTC):%Y/%m/%d}/[{version}]local",
        "LAMBDA_TASK_ROOT": str(spec.code_dirs[0].resolve()),
        "_HANDLER": spec.handler,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        **spec.environment,
    }
