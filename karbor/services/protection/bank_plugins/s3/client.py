# SPDX-License-Identifier: Apache-2.0
"""The client of S3: its options, and what its errors mean."""

from collections.abc import Mapping
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import botocore.parsers
import urllib3.exceptions
from oslo_config import cfg

from karbor import exception
from karbor.services.protection.bank_plugins.object_store.attempts import (
    REFUSED_FOR_NOW,
    Errors,
)

GROUP = "s3_client"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "s3_endpoint",
        help="URL of the store's S3 interface, such as https://s3.example.org. Unset, "
        "it is that of AWS in s3_region.",
    ),
    cfg.StrOpt(
        "s3_region",
        default="us-east-1",
        help="Region of the bucket. Stores that know no regions take the default.",
    ),
    cfg.StrOpt(
        "s3_access_key",
        help="Access key. Unset together with s3_secret_key, it is looked for where "
        "AWS's tools look: environment, ~/.aws, the role of the machine.",
    ),
    cfg.StrOpt("s3_secret_key", secret=True, help="Secret key of s3_access_key."),
    cfg.StrOpt(
        "s3_addressing_style",
        default="auto",
        choices=["auto", "path", "virtual"],
        help="Whether the bucket is part of the path or of the host's name. 'auto' "
        "takes the path for an endpoint that is an IP address. Set 'path' for most "
        "stores other than AWS.",
    ),
    cfg.StrOpt(
        "s3_ca_cert_file",
        help="File with the certificates of the authorities that sign the store's "
        "certificate. Default: those that come with botocore.",
    ),
    cfg.BoolOpt(
        "s3_auth_insecure",
        default=False,
        help="Do not check the store's certificate. For tests only.",
    ),
    cfg.FloatOpt(
        "connect_timeout",
        default=10.0,
        min=0.1,
        help="Seconds to wait for a connection. Raise it on slow networks.",
    ),
    cfg.FloatOpt(
        "read_timeout",
        default=60.0,
        min=0.1,
        help="Seconds to wait for the next bytes of an answer.",
    ),
    cfg.IntOpt(
        "s3_retry_attempts",
        default=3,
        min=0,
        help="How often a failed call is repeated.",
    ),
    cfg.IntOpt(
        "s3_retry_backoff",
        default=2,
        min=0,
        help="Seconds before the first repetition; doubled for each further, up to a "
        "minute.",
    ),
]

#: Connections that are kept; more threads than these wait for one another.
MAX_CONNECTIONS = 64
#: Codes of answers after which the same request may succeed.
_TRANSIENT_CODES = frozenset(
    {
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)


def register_opts(conf: cfg.ConfigOpts) -> cfg.ConfigOpts.GroupAttr:
    """Make a configuration know the group, and return it."""
    conf.register_opts(OPTS, group=GROUP)
    return conf[GROUP]


def make_client(
    conf: cfg.ConfigOpts, read_timeout: float, session: boto3.session.Session
) -> Any:
    """A client that many threads may use, and that tries everything once.

    :param session: makes the client; several threads may not share it
    :raises InvalidInput: naming the option that is wrong; the error's
        ``kwargs["option"]`` names it as ``[group]/option``
    """
    options = register_opts(conf)
    for name, other in (
        ("s3_access_key", "s3_secret_key"),
        ("s3_secret_key", "s3_access_key"),
    ):
        if options[other] and not options[name]:
            raise _invalid(name, f"it is not set, and {other} is")
    verify: bool | str = options.s3_ca_cert_file or True
    if options.s3_auth_insecure:
        verify = False
    try:
        return session.client(
            "s3",
            region_name=options.s3_region,
            endpoint_url=options.s3_endpoint or None,
            aws_access_key_id=options.s3_access_key,
            aws_secret_access_key=options.s3_secret_key,
            verify=verify,
            config=botocore.config.Config(
                connect_timeout=min(options.connect_timeout, read_timeout),
                read_timeout=read_timeout,
                retries={"total_max_attempts": 1, "mode": "standard"},
                max_pool_connections=MAX_CONNECTIONS,
                s3={"addressing_style": options.s3_addressing_style},
                # Checksums that AWS's clients send of late are unknown to older
                # stores; the plugin sends and checks MD5 itself.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                ignore_configured_endpoint_urls=True,
            ),
        )
    except (ValueError, botocore.exceptions.BotoCoreError) as error:
        raise _invalid("s3_endpoint", str(error)) from error


class S3Errors(Errors):
    """Those of botocore."""

    store = "S3"

    def is_foreseen(self, error: BaseException) -> bool:
        return isinstance(
            error,
            botocore.exceptions.ClientError
            | botocore.exceptions.BotoCoreError
            | urllib3.exceptions.HTTPError,
        )

    def is_transient(self, error: BaseException) -> bool:
        if isinstance(error, botocore.exceptions.ClientError):
            status = self.http_status(error) or 0
            code = error.response.get("Error", {}).get("Code")
            return (
                status >= 500 or status in REFUSED_FOR_NOW or code in _TRANSIENT_CODES
            )
        if isinstance(error, botocore.exceptions.SSLError):
            return False
        return isinstance(
            error,
            botocore.exceptions.ConnectionError
            | botocore.exceptions.HTTPClientError
            | botocore.exceptions.IncompleteReadError
            | botocore.parsers.ResponseParserError
            # From the body of an answer, which botocore does not translate.
            | urllib3.exceptions.HTTPError,
        )

    def http_status(self, error: BaseException) -> int | None:
        if isinstance(error, botocore.exceptions.ClientError):
            return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return None

    def headers(self, error: BaseException) -> Mapping[str, Any]:
        if isinstance(error, botocore.exceptions.ClientError):
            return error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return {}

    def describe(self, error: BaseException) -> str:
        if isinstance(error, botocore.exceptions.ClientError):
            said = error.response.get("Error", {})
            text = f"S3 answered {self.http_status(error)} {said.get('Code', '')}"
            if said.get("Message"):
                text += f": {said['Message']}"
            return text
        return f"{error or type(error).__name__}"


def _invalid(name: str, problem: str) -> exception.InvalidInput:
    option = f"[{GROUP}]/{name}"
    return exception.InvalidInput(reason=f"option {option}: {problem}", option=option)
