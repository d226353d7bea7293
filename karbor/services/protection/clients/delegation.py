# SPDX-License-Identifier: Apache-2.0
"""Acting for a caller for longer than the caller's token lives."""

import contextlib
import datetime
import threading
from collections.abc import Callable
from concurrent import futures

from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import timeutils

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.clients.trusts import Trusts

LOG = logging.getLogger(__name__)

GROUP = "delegation"

OPTS: list[cfg.Opt] = [
    cfg.BoolOpt(
        "enabled",
        default=True,
        help="Let each operation act under a trust that its caller gives to the user "
        "of [service_auth], so that it may take longer than the caller's token lives. "
        "Set it to False where Keystone has no trusts; an operation then ends when "
        "services no longer take the token.",
    ),
    cfg.IntOpt(
        "trust_lifetime",
        default=7 * 24 * 3600,
        min=60,
        help="Seconds after which a trust ends by itself: longer than the longest "
        "operation, the time that it waits for its turn included. It is deleted at "
        "the operation's end, so this bounds only what a service leaves that is "
        "killed.",
    ),
]

#: Under which key of an operation log's ``extra_info`` its trust's id is.
TRUST_ID = "trust_id"

#: So many trusts are given at a time.
_THREADS = 4


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the group ``[delegation]`` known to a configuration."""
    conf.register_opts(OPTS, group=GROUP)


class Delegation:
    """One operation's right to act for its caller; see :class:`Delegations`.

    :param what: the operation, for people
    :param context: who asked, with the token
    :param trusts: None where none can be given
    """

    def __init__(
        self, what: str, context: RequestContext, trusts: Trusts | None = None
    ) -> None:
        self._what = what
        self._context = context
        self._trusts = trusts
        self._trust_id: str | None = None
        self._given: futures.Future | None = None

    def begin(
        self,
        pool: futures.Executor,
        expires_at: datetime.datetime,
        note: Callable[[str], None],
    ) -> None:
        """Have the trust given in a thread of the pool; returns at once."""
        if self._trusts is not None:
            self._given = pool.submit(self._give, self._trusts, expires_at, note)

    def context(self) -> RequestContext:
        """The context to work with; waits until it is known.

        Its token is renewed for as long as the operation runs, or is the caller's
        where no trust could be given, which the log has said.
        """
        if self._given is not None:
            # It is cancelled when the service stops.
            with contextlib.suppress(futures.CancelledError):
                self._given.result()
        return self._context

    def end(self) -> None:
        """Take the trust back; a failure is logged, and its expiry bounds it."""
        trust_id, self._trust_id = self._trust_id, None
        if self._trusts is None or trust_id is None:
            return
        try:
            self._trusts.take_back(trust_id, self._context)
        except exception.KarborException as error:
            LOG.warning(
                "The trust of %s is left until it expires: %s", self._what, error
            )

    def _give(
        self,
        trusts: Trusts,
        expires_at: datetime.datetime,
        note: Callable[[str], None],
    ) -> None:
        try:
            self._trust_id = trusts.give(self._context, expires_at)
            # First of all, so that whoever finds the operation dead can delete it.
            note(self._trust_id)
            self._context = trusts.context_under(self._trust_id, self._context)
        except Exception as error:  # noqa: BLE001 - the operation must go on
            LOG.warning(
                "%s goes on with its caller's token alone: no trust could be given. "
                "It fails if it runs for longer than services take that token. %s",
                self._what,
                error,
            )
            self.end()
        else:
            LOG.debug("%s acts under trust %s", self._what, self._trust_id)


class Delegations:
    """Lets operations act for their callers for longer than a token lives.

    A trust is given as soon as an operation is admitted, not when its turn comes: the
    token may have expired by then. That takes some calls to Keystone, so it is done in
    threads of its own. Every method may be called from any thread.

    :param conf: where ``[delegation]`` and ``[service_auth]`` are
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        register_opts(conf)
        self._conf = conf
        self._trusts = Trusts(conf)
        self._pool = futures.ThreadPoolExecutor(
            max_workers=_THREADS, thread_name_prefix="delegation"
        )
        self._lock = threading.Lock()
        self._has_warned = False

    def begin(
        self, what: str, context: RequestContext, note: Callable[[str], None]
    ) -> Delegation:
        """Begin to give a trust for an operation; returns at once.

        :param what: the operation, for people
        :param context: who asked, with the token
        :param note: told the trust's id before it is used, so that it is found if
            this process is killed
        """
        options = self._conf[GROUP]
        is_asked = bool(options.enabled and context.auth_token)
        is_given = is_asked and self._can_be_given()
        delegation = Delegation(what, context, self._trusts if is_given else None)
        expires_at = timeutils.utcnow() + datetime.timedelta(
            seconds=options.trust_lifetime
        )
        delegation.begin(self._pool, expires_at, note)
        return delegation

    def forget(self, trust_id: str) -> None:
        """Take back a trust of an operation whose service died; logs a failure."""
        try:
            self._trusts.take_back(trust_id)
        except exception.KarborException as error:
            LOG.warning(
                "The trust of a dead service is gone, or left until it expires: %s",
                error,
            )
        else:
            LOG.info("Deleted trust %s of a dead service", trust_id)

    def close(self) -> None:
        """Give no more trusts; what has begun ends in its own time."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _can_be_given(self) -> bool:
        try:
            if self._trusts.can_be_given:
                return True
            reason = "it has none"
        except exception.AuthorizationFailure as error:
            reason = str(error)
        with self._lock:
            is_known, self._has_warned = self._has_warned, True
        if not is_known:
            LOG.warning(
                "Operations go on with their callers' tokens alone, and fail when they "
                "run for longer than services take these: trusts need the credentials "
                "of a user in [service_auth], and %s.",
                reason,
            )
        return False
