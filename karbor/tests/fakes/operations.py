# SPDX-License-Identifier: Apache-2.0
"""A small world for operations: plugins that tell what they did, records in memory."""

import copy
import dataclasses
import threading
import uuid

from oslo_config import cfg

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.flows.environment import Environment
from karbor.services.protection.flows.inputs import OperationInputs, OperationSecrets
from karbor.services.protection.flows.runner import OperationRunner
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.protection_plugin import HOOKS
from karbor.tests.fakes.bank import MemoryBankPlugin

TYPE = "OS::Test::Thing"
TOKEN = "gAAAA-this-is-a-token"


def thing(number, resource_type=TYPE):
    return Resource(resource_type, f"thing-{number}", None)


def graph_of(children):
    """A graph of numbered things: ``children[n]`` are the numbers that n needs."""
    return ResourceGraph.build(
        [thing(number) for number in children],
        lambda level: {
            resource: [thing(child) for child in children[_number(resource)]]
            for resource in level
        },
    )


def _number(resource):
    return int(resource.id.rsplit("-", 1)[1])


class Trace:
    """What happened, in order: ``(hook, resource, "start" or "end")``."""

    def __init__(self):
        self.events = []
        self.arguments = {}
        self.parallel = 0
        self.most_parallel = 0
        self._lock = threading.Lock()

    def started(self, hook, number, arguments):
        with self._lock:
            self.events.append((hook, number, "start"))
            self.arguments[hook, number] = arguments
            self.parallel += 1
            self.most_parallel = max(self.parallel, self.most_parallel)

    def ended(self, hook, number):
        with self._lock:
            self.events.append((hook, number, "end"))
            self.parallel -= 1

    def starts(self, hook=None):
        return [
            (name, number)
            for name, number, what in self.events
            if what == "start" and hook in (None, name)
        ]


def operation_for(trace, resource, hooks, behaviour):
    """An object with just the given hooks; a plain class, as of Karbor 1.x."""
    number = _number(resource)

    def method(name):
        def hook(self, checkpoint, resource, context, parameters, **kwargs):
            given = {
                "checkpoint": checkpoint,
                "context": context,
                "parameters": parameters,
                **kwargs,
            }
            trace.started(name, number, given)
            try:
                behaviour(name, number, given)
            finally:
                trace.ended(name, number)

        return hook

    return type("TracedOperation", (), {name: method(name) for name in hooks})()


class TracedPlugin:
    """Supports all operations.

    :param hooks_of: number of a resource to the names of its hooks
    :param behaviour: called within each hook with its name, number and arguments
    """

    def __init__(self, trace=None, hooks_of=None, behaviour=None):
        self.trace = trace or Trace()
        self.hooks_of = hooks_of or (lambda number: HOOKS)
        self.behaviour = behaviour or (lambda hook, number, given: None)

    def __getattr__(self, name):
        if not name.startswith("get_") or not name.endswith("_operation"):
            raise AttributeError(name)
        return lambda resource: operation_for(
            self.trace, resource, self.hooks_of(_number(resource)), self.behaviour
        )


class Lease:
    def __init__(self):
        self.valid = True

    def is_valid(self):
        return self.valid

    def check(self, held_for=0.0):
        if not self.valid:
            raise exception.LeaseLost(owner_id="owner-1", reason="a test took it")


class ProviderOfOne:
    """A provider with one plugin, for things, and a bank in memory."""

    id = "11111111-1111-4111-8111-111111111111"
    name = "of one"

    def __init__(self, plugin):
        self.plugin = plugin
        self.lease = Lease()
        self.bank_plugin = MemoryBankPlugin()
        self.bank = Bank(self.bank_plugin)
        self.checkpoints = CheckpointCollection(self.bank, self.lease)

    def plugin_for(self, resource_type):
        if resource_type != TYPE:
            raise exception.ProtectionPluginNotFound(type=resource_type)
        return self.plugin

    def get(self, provider_id):
        if provider_id != self.id:
            raise exception.ProviderNotFound(provider_id=provider_id)
        return self


class Protectables:
    """Finds the dependents that a dict of numbers says."""

    def __init__(self, children):
        self.children = children
        self.built = 0
        self.error = None

    def build_graph(self, context, roots):
        self.built += 1
        if self.error is not None:
            raise self.error
        return ResourceGraph.build(
            roots,
            lambda level: {
                resource: [thing(n) for n in self.children.get(_number(resource), ())]
                for resource in level
                if resource.type == TYPE
            },
        )


class MemoryRepository:
    """Rows of one table, as :class:`karbor.db.repository.Repository` keeps them."""

    def __init__(self):
        self.rows = {}
        self.writes = 0
        self.error = None

    def create(self, context, values):
        row = {"id": str(uuid.uuid4()), **copy.deepcopy(values)}
        self.rows[row["id"]] = row
        return copy.deepcopy(row)

    def get(self, context, record_id):
        if record_id not in self.rows:
            raise exception.NotFound(f"{record_id} could not be found.")
        return copy.deepcopy(self.rows[record_id])

    def update(self, context, record_id, values):
        if self.error is not None:
            raise self.error
        self.writes += 1
        self.rows[record_id].update(copy.deepcopy(dict(values)))
        return copy.deepcopy(self.rows[record_id])


@dataclasses.dataclass
class MemoryDatabase:
    restores: MemoryRepository = dataclasses.field(default_factory=MemoryRepository)
    verifications: MemoryRepository = dataclasses.field(
        default_factory=MemoryRepository
    )
    operation_logs: MemoryRepository = dataclasses.field(
        default_factory=MemoryRepository
    )


class World:
    """Everything an operation needs, with one provider and numbered things."""

    def __init__(self, children, plugin=None, *, workers=4, operations=2):
        self.plugin = plugin or TracedPlugin()
        self.trace = getattr(self.plugin, "trace", None)
        self.provider = ProviderOfOne(self.plugin)
        self.database = MemoryDatabase()
        self.protectables = Protectables(children)
        self.conf = cfg.ConfigOpts()
        self.house = Environment(
            providers=self.provider,
            protectables=self.protectables,
            database=self.database,
            conf=self.conf,
        )
        self.context = RequestContext(
            user_id="user", project_id="project", auth_token=TOKEN, overwrite=False
        )
        self.secrets = OperationSecrets(
            self.context, {"type": "password", "username": "u", "password": "sEcReT-1"}
        )
        self.runner = OperationRunner(self.conf, self.house)
        self._resize(workers, operations)

    def _resize(self, workers, operations):
        self.conf.set_override("max_parallel_hooks", workers)
        self.conf.set_override("max_concurrent_operations", operations)
        self.runner.drain(0)
        self.runner = OperationRunner(self.conf, self.house)

    def close(self):
        self.runner.drain(10)

    def live(self):
        """The only operation that runs, as its hooks reach it."""
        with self.runner._lock:
            (live,) = self.runner._known
        return live

    def plan(self, roots):
        return {
            "id": str(uuid.uuid4()),
            "name": "plan",
            "provider_id": self.provider.id,
            "project_id": "project",
            "resources": [root.to_dict() for root in roots],
            "parameters": {},
        }

    def checkpoint(self, roots=(), **kwargs):
        return self.provider.checkpoints.create(
            self.plan(roots),
            provider_id=self.provider.id,
            project_id="project",
            **kwargs,
        )

    def protected(self):
        """A checkpoint that is available, with the graph of all things."""
        checkpoint = self.checkpoint([thing(0)])
        checkpoint.save_graph(graph_of(self.protectables.children))
        checkpoint.transition(constants.CHECKPOINT_STATUS_AVAILABLE)
        return checkpoint

    def inputs(self, operation, checkpoint, *, with_log=True, **kwargs):
        log_id = None
        if with_log:
            row = {"project_id": "project", "status": "in_progress", "extra_info": {}}
            log_id = self.database.operation_logs.create(None, row)["id"]
        return OperationInputs(
            operation=operation,
            provider_id=self.provider.id,
            checkpoint_id=checkpoint.id,
            context=self.context.to_plain(),
            operation_log_id=log_id,
            **kwargs,
        )

    def submit(self, inputs):
        return self.runner.submit(inputs, self.secrets)

    def protect(self, roots=(0,), **kwargs):
        """Protect things; gives the inputs, whether it went well, the checkpoint."""
        checkpoint = self.checkpoint([thing(n) for n in roots])
        inputs = self.inputs("protect", checkpoint, **kwargs)
        succeeded = self.submit(inputs).result()
        return inputs, succeeded, self.provider.checkpoints.get(checkpoint.id)

    def log_of(self, inputs):
        return self.database.operation_logs.rows[inputs.operation_log_id]
