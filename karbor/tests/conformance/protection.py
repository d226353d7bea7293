# SPDX-License-Identifier: Apache-2.0
"""What every protection plugin must do, as tests to run on one's own.

In a test module of the plugin's package::

    import pytest
    from karbor.tests.conformance.protection import ProtectionConformance

    class TestMyProtection(ProtectionConformance):
        @pytest.fixture
        def plugin(self, conf, service):
            conf.register_opts(OPTS, "my_plugin")
            conf.set_override("url", service.url, "my_plugin")
            return MyProtectionPlugin(conf)

        @pytest.fixture
        def resource(self, service):
            return service.make("data to protect")

        def lose(self, resource):
            service.delete(resource.id)

        def check_restored(self, resource, new_id):
            assert service.data(new_id) == "data to protect"

``resource`` is one that can be protected. ``lose`` deletes it, ``check_restored`` looks
at what replaced it. A plugin that keeps nothing sets ``keeps_data = False``, one that
uses a resource that is still there ``uses_what_is_there = True``; one that supports
fewer operations overrides ``operations``. The suite has a bank in memory
below real checkpoints, and calls the hooks as an operation does. Needs pytest.
"""

import functools
import inspect
import os
import uuid

import jsonschema
import pytest

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.services.protection.bank.chunks.keyring import DataKey, Keyring
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.progress import OperationProgress, ResourceProgress
from karbor.services.protection.protection_plugin import HOOKS, Operation
from karbor.services.protection.records import RestoreRecord, VerificationRecord
from karbor.services.protection.waiting.course import complete
from karbor.services.protection.waiting.watcher import Watcher
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.cutting import cut

SCHEMAS = (
    "get_options_schema",
    "get_restore_schema",
    "get_verify_schema",
    "get_saved_info_schema",
)


class _OneKey(Keyring):
    """A data key for every project."""

    def __init__(self):
        self._key = DataKey(uuid.uuid4().hex, os.urandom(32), os.urandom(32))

    def active(self, project_id):
        return self._key

    def get(self, project_id, key_id):
        assert key_id == self._key.id
        return self._key


class ProtectionConformance:
    """The contract of ``karbor.services.protection.protection_plugin``."""

    #: What the plugin supports.
    operations: tuple[str, ...] = constants.OPERATION_TYPES
    #: Whether it keeps something in the bank and makes something anew from it.
    keeps_data = True
    #: Whether a restore uses the resource itself when it is still there.
    uses_what_is_there = False
    #: The parameters of each operation.
    parameters: dict[str, dict] = {}

    @pytest.fixture
    def conf(self):
        """The provider's configuration."""
        return empty_configuration()

    @pytest.fixture
    def context(self):
        """Who asks."""
        return RequestContext(
            user_id="conformance", project_id=uuid.uuid4().hex, overwrite=False
        )

    @pytest.fixture
    def plugin(self):
        """The plugin, made with a configuration; override it."""
        raise NotImplementedError("override the fixture 'plugin'")

    @pytest.fixture
    def resource(self):
        """A resource that can be protected; override it."""
        raise NotImplementedError("override the fixture 'resource'")

    def lose(self, resource):
        """Delete the resource; override it when ``keeps_data``."""
        assert not self.keeps_data, "override the method 'lose'"

    def check_restored(self, resource, new_id):
        """Look at what replaced the resource; override it when ``keeps_data``."""
        assert not self.keeps_data, "override the method 'check_restored'"

    @pytest.fixture
    def bank(self):
        """Where the checkpoints are."""
        return Bank(MemoryBankPlugin())

    @pytest.fixture
    def other_bank(self):
        """Where copies go to; encrypted, as the other is not."""
        options = StreamOptions(chunk_size=64 * 1024, max_bytes_in_flight=1024 * 1024)
        return Bank(MemoryBankPlugin(), options, _OneKey())

    @pytest.fixture
    def new_checkpoint(self, bank, context):
        """Makes checkpoints, in the bank or in another one."""

        def make(bank=bank):
            collection = CheckpointCollection(bank)
            return collection.create(
                {"id": str(uuid.uuid4()), "name": "plan", "resources": []},
                provider_id=str(uuid.uuid4()),
                project_id=context.project_id,
            )

        return make

    @pytest.fixture
    def watcher(self):
        """Looks at what the hooks wait for."""
        watcher = Watcher(first_interval=0.02)
        yield watcher
        watcher.close()

    @pytest.fixture
    def call(self, plugin, resource, context, watcher):
        """Calls hooks of an operation on the resource, a new object each time."""

        def call(operation, checkpoint, hooks=HOOKS, **kwargs):
            made = getattr(plugin, f"get_{operation}_operation")(resource)
            kwargs.setdefault("progress", ResourceProgress(OperationProgress()))
            kwargs.setdefault("of_a_later_release", "hooks take what they do not know")
            for hook in hooks:
                method = getattr(made, hook, None)
                if method is not None:
                    parameters = dict(self.parameters.get(operation, {}))
                    complete(
                        functools.partial(
                            method, checkpoint, resource, context, parameters, **kwargs
                        ),
                        watcher,
                    )

        return call

    @pytest.fixture
    def cut_off(self, plugin, resource, context, watcher):
        """Stops a hook of an operation at one of its waits; False when it ended."""

        def cut_off(operation, checkpoint, hook, waits=0, **kwargs):
            made = getattr(plugin, f"get_{operation}_operation")(resource)
            kwargs.setdefault("progress", ResourceProgress(OperationProgress()))
            hook = functools.partial(
                getattr(made, hook), checkpoint, resource, context, {}, **kwargs
            )
            return cut(hook, watcher, waits)

        return cut_off

    @pytest.fixture
    def protected(self, call, new_checkpoint):
        """A checkpoint in which the resource is protected."""
        checkpoint = new_checkpoint()
        call("protect", checkpoint, operation_log=None)
        return checkpoint

    @pytest.fixture
    def restore(self, call, resource):
        """Restores, and gives what replaced the resource."""

        def restore(checkpoint, hooks=HOOKS, record=None, new_resources=None):
            new_resources = {} if new_resources is None else new_resources
            call(
                "restore",
                checkpoint,
                hooks,
                restore=record or RestoreRecord(None, {"id": str(uuid.uuid4())}),
                new_resources=new_resources,
                operation_log=None,
            )
            return new_resources.get(resource.id)

        return restore

    def need(self, operation):
        """Go on only when the plugin supports the operation."""
        if operation not in self.operations:
            pytest.skip(f"the plugin does not support {operation}")

    def section(self, checkpoint, resource, is_writable=False):
        """What the bank keeps of the resource."""
        return checkpoint.get_resource_bank_section(resource.id, is_writable)

    # What it tells of itself.

    def test_it_supports_the_resources_type(self, plugin, resource):
        types = list(plugin.get_supported_resources_types())
        assert resource.type in types
        assert all(isinstance(name, str) and name for name in types)
        assert len(set(types)) == len(types)

    @pytest.mark.parametrize("schema", SCHEMAS)
    def test_its_schemas_are_json_schemas(self, plugin, schema):
        for resource_type in plugin.get_supported_resources_types():
            found = getattr(plugin, schema)(resource_type)
            assert isinstance(found, dict)
            jsonschema.Draft202012Validator.check_schema(found)

    def test_the_suites_parameters_fit_the_schemas(self, plugin, resource):
        for operation, schema in zip(
            ("protect", "restore", "verify"), SCHEMAS[:3], strict=True
        ):
            if operation in self.operations:
                jsonschema.validate(
                    self.parameters.get(operation, {}),
                    getattr(plugin, schema)(resource.type),
                )

    @pytest.mark.parametrize("operation", constants.OPERATION_TYPES)
    def test_each_operation_is_a_new_object_with_hooks(
        self, plugin, resource, operation
    ):
        self.need(operation)
        get = getattr(plugin, f"get_{operation}_operation")
        first, second = get(resource), get(resource)
        assert first is not second
        assert any(callable(getattr(first, hook, None)) for hook in HOOKS)

    @pytest.mark.parametrize("operation", constants.OPERATION_TYPES)
    def test_hooks_take_what_a_later_release_adds(self, plugin, resource, operation):
        self.need(operation)
        made = getattr(plugin, f"get_{operation}_operation")(resource)
        for hook in (*HOOKS, "on_revert"):
            method = getattr(made, hook, getattr(Operation, hook))
            kinds = {p.kind for p in inspect.signature(method).parameters.values()}
            assert inspect.Parameter.VAR_KEYWORD in kinds, hook

    # What it does.

    def test_what_is_protected_is_restored(self, protected, restore, resource, context):
        self.need("restore")
        self.lose(resource)
        new_id = restore(protected)
        if self.keeps_data:
            assert new_id, "new_resources maps the original id to the new one"
            self.check_restored(resource, new_id)

    def test_saved_info_fits_its_schema(self, plugin, protected, resource):
        info = plugin.get_saved_info(self.section(protected, resource), resource)
        if info is not None:
            jsonschema.validate(info, plugin.get_saved_info_schema(resource.type))

    def test_protecting_again_after_a_crash_is_good(
        self, call, protected, restore, resource
    ):
        """The crash came after the hook and before that was noted."""
        call("protect", protected, hooks=("on_main", "on_complete"), operation_log=None)
        self.lose(resource)
        new_id = restore(protected)
        if self.keeps_data:
            self.check_restored(resource, new_id)

    def test_restoring_again_after_a_crash_makes_one_thing(
        self, protected, restore, resource
    ):
        self.need("restore")
        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        until_main = HOOKS[: HOOKS.index("on_main") + 1]
        first = restore(protected, hooks=until_main, record=record)
        again = restore(protected, hooks=("on_main", "on_complete"), record=record)
        assert again == first

    def test_two_restores_make_two_things(self, protected, restore, resource):
        self.need("restore")
        if self.uses_what_is_there:
            assert restore(protected) == resource.id
            self.lose(resource)
        first, second = restore(protected), restore(protected)
        if self.keeps_data:
            assert first != second

    def test_verifying_tells_the_record(self, call, protected, resource):
        self.need("verify")
        record = VerificationRecord(None, {"id": str(uuid.uuid4())})
        call("verify", protected, verify=record, new_resources={}, operation_log=None)
        status = record.resource_status(resource.type, resource.id)
        assert status in (None, constants.RESOURCE_STATUS_AVAILABLE)

    def test_verifying_finds_what_is_lost(self, call, protected, resource):
        """With everything gone there is nothing that could be verified."""
        self.need("verify")
        if not self.keeps_data:
            return
        self.section(protected, resource, is_writable=True).delete_all()
        record = VerificationRecord(None, {"id": str(uuid.uuid4())})
        with pytest.raises(exception.KarborException):
            call("verify", protected, verify=record, new_resources={})
        status = record.resource_status(resource.type, resource.id)
        assert status in (None, constants.RESOURCE_STATUS_ERROR)

    def test_restoring_from_nothing_makes_nothing(
        self, call, protected, restore, resource
    ):
        self.need("restore")
        if not self.keeps_data:
            return
        self.section(protected, resource, is_writable=True).delete_all()
        new_resources = {}
        with pytest.raises(exception.KarborException):
            restore(protected, new_resources=new_resources)
        assert new_resources == {}

    def test_a_copy_is_whole_without_its_source(
        self, call, protected, restore, resource, new_checkpoint
    ):
        self.need("copy")
        copied = new_checkpoint()
        call("copy", protected, checkpoint_copy=copied, operation_log=None)
        call("delete", protected, operation_log=None)
        self.lose(resource)
        new_id = restore(copied)
        if self.keeps_data:
            self.check_restored(resource, new_id)

    def test_a_copy_in_another_bank_is_whole_there(
        self, call, protected, restore, resource, new_checkpoint, other_bank
    ):
        self.need("copy")
        copied = new_checkpoint(other_bank)
        call("copy", protected, checkpoint_copy=copied, operation_log=None)
        call("delete", protected, operation_log=None)
        self.lose(resource)
        new_id = restore(copied)
        if self.keeps_data:
            self.check_restored(resource, new_id)

    def test_deleting_leaves_nothing(self, call, protected, resource):
        self.need("delete")
        for _crashed_after_it in range(2):
            call("delete", protected, operation_log=None)
        if self.keeps_data:
            assert self.section(protected, resource).list_objects() == []

    @pytest.mark.parametrize("operation", constants.OPERATION_TYPES)
    def test_reverting_what_had_not_begun_is_good(
        self, call, protected, new_checkpoint, operation
    ):
        self.need(operation)
        checkpoint = new_checkpoint() if operation == "protect" else protected
        for _twice in range(2):
            call(
                operation,
                checkpoint,
                hooks=("on_revert",),
                restore=RestoreRecord(None, {"id": str(uuid.uuid4())}),
                verify=VerificationRecord(None, {"id": str(uuid.uuid4())}),
                new_resources={},
                checkpoint_copy=new_checkpoint(),
                operation_log=None,
            )
