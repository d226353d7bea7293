# SPDX-License-Identifier: Apache-2.0
"""Parameters of operations against the schemas of plugins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg

from karbor import exception
from karbor.resource import Resource
from karbor.services.protection.parameters import validate
from karbor.services.protection.schemas import PluginSchemas
from karbor.tests.fakes.protection import IMAGE, ImagePlugin

SERVER = "OS::Nova::Server"
GOOD = {"backup_name": "nightly"}


def images(*names):
    return [Resource(IMAGE, name, None) for name in names]


@pytest.fixture(scope="module")
def schemas():
    schemas = PluginSchemas()
    schemas.add(ImagePlugin(cfg.ConfigOpts()), IMAGE)
    return schemas


@pytest.mark.parametrize("nothing", [None, {}])
def test_no_parameters_are_no_mistake(schemas, nothing):
    for operation in ("protect", "restore", "verify", "copy", "delete"):
        assert validate(schemas, operation, nothing, images("a")) == {}


def test_each_operation_has_its_schema(schemas):
    parameters = {IMAGE: {"restore_name": 5}}
    with pytest.raises(exception.InvalidInput):
        validate(schemas, "restore", parameters)
    # The plugin has no schema for verifying, so everything goes.
    assert validate(schemas, "verify", parameters) == parameters
    # A copy gets the plan's.
    assert validate(schemas, "copy", {IMAGE: GOOD}) == {IMAGE: GOOD}
    with pytest.raises(exception.InvalidInput, match="backup_name"):
        validate(schemas, "copy", parameters)
    with pytest.raises(exception.InvalidInput, match="takes no parameters"):
        validate(schemas, "delete", parameters)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ([], "list"),
        ("x", "str"),
        ({SERVER: {}}, f"'{SERVER}': the provider protects no resources of type"),
        ({f"{SERVER}#1": {}}, SERVER),
        ({"": {}}, "''"),
        ({f"{IMAGE}#": GOOD}, "no id after '#'"),
        ({f"{IMAGE}#c": GOOD}, f"'{IMAGE}#c': the operation has no such resource"),
        ({IMAGE: []}, "list, not an object"),
        ({IMAGE: None}, "NoneType, not an object"),
        ({IMAGE: {"backup_name": 5}}, f"'{IMAGE}', backup_name: 5 is not of type"),
        ({IMAGE: {}}, "'backup_name' is a required property"),
        ({f"{IMAGE}#a": {}}, f"'{IMAGE}#a': 'backup_name' is a required property"),
        ({IMAGE: {**GOOD, "retries": -1}}, "retries: -1 is less than the minimum"),
        ({IMAGE: {**GOOD, "retries": "-1"}}, "retries: -1 is less than the minimum"),
        ({IMAGE: {**GOOD, "retries": "many"}}, "'many' is not of type 'integer'"),
        ({IMAGE: {**GOOD, "tags": ["x", 1]}}, "tags.1: 1 is not of type"),
    ],
)
def test_a_mistake_names_key_path_and_reason(parameters, said):
    with pytest.raises(exception.InvalidInput) as refused:
        validate(with_options_for_restore(), "restore", parameters, images("a"))
    assert said in str(refused.value)


def with_options_for_restore():
    """The options schema for an operation whose resources are all known."""

    class Plugin(ImagePlugin):
        get_restore_schema = ImagePlugin.get_options_schema

    schemas = PluginSchemas()
    schemas.add(Plugin(cfg.ConfigOpts()), IMAGE)
    return schemas


def test_the_value_of_a_secret_is_not_told(schemas):
    parameters = {IMAGE: {**GOOD, "admin_password": "hunter2"}}
    with pytest.raises(exception.InvalidInput) as refused:
        validate(schemas, "protect", parameters)
    assert "admin_password" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_texts_of_the_command_line_are_read_as_what_the_schema_asks_for(schemas):
    given = {
        IMAGE: {
            "backup_name": "5",
            "retries": "5",
            "quiesce": "true",
            "tags": '["a", "b"]',
            "unknown": "7",
        }
    }
    assert validate(schemas, "protect", given) == {
        IMAGE: {
            "backup_name": "5",
            "retries": 5,
            "quiesce": True,
            "tags": ["a", "b"],
            "unknown": "7",
        }
    }


@pytest.mark.parametrize(
    "wrong",
    [{"quiesce": "perhaps"}, {"tags": "a,b"}, {"tags": "{}"}],
)
def test_texts_that_cannot_be_read_so_are_refused_as_they_are(schemas, wrong):
    [text] = wrong.values()
    with pytest.raises(exception.InvalidInput) as refused:
        validate(schemas, "protect", {IMAGE: {**GOOD, **wrong}})
    assert repr(text) in str(refused.value)


def test_what_is_required_may_come_from_the_type_or_from_the_resource():
    strict = with_options_for_restore()
    for parameters in (
        {IMAGE: GOOD, f"{IMAGE}#a": {"retries": 1}},
        {IMAGE: {"retries": 1}, f"{IMAGE}#a": GOOD, f"{IMAGE}#b": GOOD},
    ):
        assert validate(strict, "restore", parameters, images("a", "b")) == parameters
    # The other image sees only what the type has.
    partial = {IMAGE: {"retries": 1}, f"{IMAGE}#a": GOOD}
    with pytest.raises(exception.InvalidInput, match="required"):
        validate(strict, "restore", partial, images("a", "b"))
    # No image sees it, yet its form is checked.
    assert validate(strict, "restore", {IMAGE: {"retries": 1}}, []) == {
        IMAGE: {"retries": 1}
    }
    with pytest.raises(exception.InvalidInput, match="retries"):
        validate(strict, "restore", {IMAGE: {"retries": -1}}, [])


def test_dependents_of_a_plans_resources_may_have_parameters(schemas):
    project = [Resource("OS::Keystone::Project", "p", None)]
    parameters = {IMAGE: {"retries": 1}, f"{IMAGE}#later": GOOD}
    assert validate(schemas, "protect", parameters, project) == parameters
    assert validate(schemas, "protect", parameters, None) == parameters
    with pytest.raises(exception.InvalidInput, match="required"):
        validate(schemas, "protect", {IMAGE: {"retries": 1}}, project)


@given(
    shared=st.none() | st.fixed_dictionaries({}, optional={"backup_name": st.text()}),
    own=st.dictionaries(
        st.sampled_from("abc"),
        st.fixed_dictionaries({}, optional={"backup_name": st.text()}),
    ),
)
def test_it_passes_exactly_when_every_resource_with_parameters_has_what_it_needs(
    shared, own
):
    parameters = {f"{IMAGE}#{name}": values for name, values in own.items()}
    if shared is not None:
        parameters[IMAGE] = shared
    seen = [
        {**(shared or {}), **own.get(name, {})}
        for name in "abc"
        if shared is not None or name in own
    ]
    arguments = (with_options_for_restore(), "restore", parameters)
    if all("backup_name" in values for values in seen):
        assert validate(*arguments, images(*"abc")) == parameters
    else:
        with pytest.raises(exception.InvalidInput, match="required"):
            validate(*arguments, images(*"abc"))


def test_ten_thousand_resources_take_one_pass(schemas):
    names = [f"image-{number}" for number in range(10_000)]
    parameters = {f"{IMAGE}#{name}": {"retries": "1"} for name in names}
    parameters[IMAGE] = dict(GOOD)
    checked = []
    checker = schemas.validator("protect", IMAGE)

    class Counting:
        schema = checker.schema

        def evolve(self, **changes):
            return checker.evolve(**changes)

        def iter_errors(self, values):
            checked.append(values)
            return iter(())

    class Schemas(PluginSchemas):
        def validator(self, operation, resource_type):
            return Counting()

    found = validate(Schemas(), "protect", parameters, images(*names))
    assert len(checked) == 10_001
    assert found[f"{IMAGE}#image-9999"] == {"retries": 1}
