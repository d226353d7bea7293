# SPDX-License-Identifier: Apache-2.0
"""taskflow is, in what the engine relies on, as it was when that was written.

When this fails, a taskflow is installed in which something changed that
:mod:`karbor.services.protection.flows.engine` replaces, derives from or repeats. Read
what changed, adapt the engine if need be, see that its tests pass, and put the new
digest here.
"""

import hashlib
import inspect
import textwrap

import pytest
from taskflow import states, storage
from taskflow.engines import base
from taskflow.engines.action_engine import (
    builder,
    compiler,
    completer,
    engine,
    executor,
    runtime,
    scheduler,
    scopes,
    selector,
)
from taskflow.engines.action_engine.actions import task as task_action
from taskflow.types import tree

#: As of taskflow 6.5.0.
DIGESTS = {
    "base.Engine.__init__": "ddfd78dd8892f42c",
    "ActionEngine.__init__": "72245f10093e65f7",
    "ActionEngine.storage": "b0c8a63dfbfc0c0f",
    "ActionEngine.compile": "4bb80fb46a779f92",
    "ActionEngine._check_compilation": "36ee0a01c33223d8",
    "ActionEngine.run_iter": "bc9a9bf5f9c51847",
    "ParallelActionEngine": "43e436afbc2797bb",
    "FlowCompiler.compile": "399172fbcee1b77d",
    "Compilation": "30970b137908a401",
    "Terminator": "87372a72cf107c50",
    "Runtime": "416536d0b015d817",
    "MachineBuilder.build": "ccdf1f57ae76638a",
    "Selector": "43723d926a33e3d7",
    "Completer": "edb92b2a888b9982",
    "Scheduler": "3d42bfb9e9d871ea",
    "TaskScheduler": "73f96343a5ac97d0",
    "ParallelTaskExecutor": "84b183c0593c0d70",
    "TaskAction": "e213ce6e1c08a418",
    "ScopeWalker": "dab55221e2e662bc",
    "Storage.get_execute_failures": "039e0e830f6c6c27",
    "Storage.set_task_progress": "e0169aae430d59e4",
    "tree.Node.find": "1589cfe7405b6f5e",
    "tree.Node.index": "71658e0bb6607fac",
    "tree.Node.add": "1087841e2df46594",
    "states.check_task_transition": "b1f64c028eb47f38",
}


def sources():
    """What is replaced or repeated, and what calls it."""
    return {
        "base.Engine.__init__": base.Engine.__init__,
        "ActionEngine.__init__": engine.ActionEngine.__init__,
        "ActionEngine.storage": engine.ActionEngine.storage,
        "ActionEngine.compile": engine.ActionEngine.compile,
        "ActionEngine._check_compilation": engine.ActionEngine._check_compilation,
        "ActionEngine.run_iter": engine.ActionEngine.run_iter,
        "ParallelActionEngine": engine.ParallelActionEngine._fetch_task_executor,
        "FlowCompiler.compile": compiler.FlowCompiler.compile,
        "Compilation": compiler.Compilation,
        "Terminator": compiler.Terminator,
        "Runtime": runtime.Runtime,
        "MachineBuilder.build": builder.MachineBuilder.build,
        "Selector": selector.Selector,
        "Completer": completer.Completer,
        "Scheduler": scheduler.Scheduler,
        "TaskScheduler": scheduler.TaskScheduler,
        "ParallelTaskExecutor": executor.ParallelTaskExecutor,
        "TaskAction": task_action.TaskAction,
        "ScopeWalker": scopes.ScopeWalker,
        "Storage.get_execute_failures": storage.Storage.get_execute_failures,
        "Storage.set_task_progress": storage.Storage.set_task_progress,
        "tree.Node.find": tree.Node.find,
        "tree.Node.index": tree.Node.index,
        "tree.Node.add": tree.Node.add,
        "states.check_task_transition": states.check_task_transition,
    }


def digest(part):
    source = inspect.getsource(inspect.unwrap(getattr(part, "_fget", part)))
    return hashlib.sha256(textwrap.dedent(source).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", sources())
def test_what_the_engine_relies_on_is_as_it_was_read(name):
    assert digest(sources()[name]) == DIGESTS[name], (
        f"taskflow's {name} has changed; see the docstring of this file"
    )
