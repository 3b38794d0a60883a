"""Let moto and botocore compute once what they compute anew at every request.

Nothing here changes what a request does: each is a function whose result depends on its arguments
alone, remembered, or a key of which one is as good as another. It saves a third of a request.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import botocore.useragent
import direct_requests  # noqa: F401
import moto.backends
import moto.core.models
import moto.core.responses
import moto.s3.models
import moto.sns.models
import quick_expressions  # noqa: F401
from botocore.regions import EndpointRulesetResolver
from botocore.useragent import UserAgentString
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.core.base_backend import BaseBackend
from moto.core.models import MockAWS, responses_mock
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker

_urls_of: Final = BaseBackend.urls.fget
_keys_of: Final = XFormedAttributePicker.get_possible_keys
_enable: Final = MockAWS._enable_patching
_params_of: Final = EndpointRulesetResolver._get_provider_params
_agent_of: Final = UserAgentString.to_string
_IN_BUCKETS: Final = frozenset({"Key", "Prefix", "CopySource"})
_urls: Final[dict[type, dict[str, Any]]] = {}
_responses: Final[list[Any]] = []
_keys: Final[dict[tuple[Any, ...], tuple[str, ...]]] = {}


def _params_once(
    resolver: EndpointRulesetResolver, model: Any, arguments: Any, context: Any
) -> dict[str, Any]:
    """What an endpoint is found by: of S3's parameters, no rule looks at what is in a bucket."""
    if model.operation_context_parameters:
        return _params_of(resolver, model, arguments, context)
    named = resolver._get_dynamic_context_params(model).values()
    values = [(arguments or {}).get(name) for name in named if name not in _IN_BUCKETS]
    known = vars(resolver).setdefault("_known_params", {})
    about = (model.name, *values)
    if about not in known:
        found = _params_of(resolver, model, arguments, context)
        known[about] = {name: found[name] for name in found if name not in _IN_BUCKETS}
    params: dict[str, Any] = known[about]
    return params


def _agent_once(agent: UserAgentString) -> str:
    """It differs by which features requests have used, which is for AWS's statistics."""
    if "_known_text" not in vars(agent):
        vars(agent)["_known_text"] = _agent_of(agent)
    text: str = vars(agent)["_known_text"]
    return text


def _urls_once(backend: BaseBackend) -> dict[str, Any]:
    """They depend on the service, and on environment variables that no test sets."""
    urls = _urls.get(type(backend))
    if urls is None:
        urls = _urls[type(backend)] = _urls_of(backend)
    return urls


def _keys_once(picker: XFormedAttributePicker, context: AttributePickerContext) -> tuple[str, ...]:
    """Names that a field may have in moto's object: they depend on its class and the shape."""
    about = (type(context.obj), context.key, context.shape)
    keys = _keys.get(about)
    if keys is None:
        keys = _keys[about] = tuple(_keys_of(picker, context))
    return keys


def _enable_quickly(mock: MockAWS, reset: bool = True) -> None:
    """Only the first one makes moto's callbacks of `requests`: for each method and service."""
    if not _responses:
        _enable(mock, reset)
        _responses.extend(responses_mock.registered())
        return
    moto.core.models.botocore_stubber.enabled = True
    if reset:
        mock.reset()
    responses_mock.start()
    responses_mock._registry._registered[:] = _responses


@functools.cache
def _one_private_key() -> rsa.RSAPrivateKey:
    """To sign notifications with; moto makes one for each subscription of each test."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


for _module, _name in (
    (moto.backends, "get_backend"),
    (moto.core.responses, "method_names_from_class"),
    (moto.core.responses, "camelcase_to_underscores"),
    (botocore.useragent, "sanitize_user_agent_string_component"),
):
    vars(_module)[_name] = functools.cache(vars(_module)[_name])
vars(moto.s3.models)["reload"] = lambda module: module  # of its URLs, at every request
EndpointRulesetResolver._get_provider_params = _params_once
UserAgentString.to_string = _agent_once
MockAWS._enable_patching = _enable_quickly
BaseBackend.urls = property(_urls_once)
XFormedAttributePicker.get_possible_keys = _keys_once
moto.sns.models.Subscription.private_key = lambda _subscription: _one_private_key()
