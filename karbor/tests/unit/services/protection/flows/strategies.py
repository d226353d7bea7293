# SPDX-License-Identifier: Apache-2.0
"""Random graphs of numbered things, and hooks that they have."""

from hypothesis import strategies as st

from karbor.services.protection.protection_plugin import HOOKS


@st.composite
def children_of_things(draw, most=8):
    """``{number: numbers that it needs}``; a thing needs larger numbers only."""
    count = draw(st.integers(1, most))
    return {
        number: draw(
            st.lists(st.integers(number + 1, count - 1), unique=True, max_size=4)
            if number + 1 < count
            else st.just([])
        )
        for number in range(count)
    }


@st.composite
def things_with_hooks(draw, most=8):
    """Children as above, and for each thing the hooks that it has."""
    children = draw(children_of_things(most))
    hooks = {
        number: tuple(
            hook for hook in HOOKS if draw(st.booleans(), label=f"{number} {hook}")
        )
        for number in children
    }
    return children, hooks


def rules(children):
    """Every pair (hook before, hook after) that the six rules name."""
    begin, finish, main, complete = HOOKS
    for number, needed in children.items():
        yield (begin, number), (finish, number)
        yield (finish, number), (main, number)
        yield (main, number), (complete, number)
        for child in needed:
            yield (begin, number), (begin, child)
            yield (finish, child), (finish, number)
            yield (complete, child), (complete, number)


def closure(pairs):
    """All (first, last) with a way from first to last."""
    after = {}
    for first, second in pairs:
        after.setdefault(first, set()).add(second)
    reached = set()
    for start in after:
        ahead, seen = [start], set()
        while ahead:
            for behind in after.get(ahead.pop(), ()):
                if behind not in seen:
                    seen.add(behind)
                    ahead.append(behind)
        reached.update((start, end) for end in seen)
    return reached


def expected_order(children, hooks):
    """The order among the hooks that there are."""
    return {
        (first, last)
        for first, last in closure(rules(children))
        if first[0] in hooks[first[1]] and last[0] in hooks[last[1]]
    }
