from collections import OrderedDict, namedtuple

import pytest

from rustdl import tree

Point = namedtuple("Point", ["x", "y"])


def test_flatten_orders_dictionaries_by_key():
    assert tree.flatten({"b": [2, (3,)], "a": 1, "c": None}) == [1, 2, 3, None]
    assert tree.flatten(OrderedDict([("b", 1), ("a", 2)])) == [1, 2]
    assert tree.flatten(5) == [5]


def test_pack_is_the_inverse_of_flatten():
    for x in ({"b": [2, (3,)], "a": 1}, [Point(1, [2]), ()], {1: 2, "a": 3}, 7):
        assert tree.pack_sequence_as(x, tree.flatten(x)) == x
    with pytest.raises(ValueError, match="2 leaves"):
        tree.pack_sequence_as([1, 2], [1])
    with pytest.raises(TypeError):
        tree.pack_sequence_as([1], 1)


def test_map_structure():
    assert tree.map_structure(lambda a, b: a + b, {"x": [1, 2]}, {"x": [10, 20]}) == {"x": [11, 22]}
    assert tree.map_structure(lambda x: x, Point(1, 2)) == Point(1, 2)
    assert tree.map_structure(lambda x: x * 2, [None, 1], none_is_leaf=False) == [None, 2]
    with pytest.raises(ValueError, match="differ"):
        tree.map_structure(lambda a, b: a, [1, 2], [1])
    with pytest.raises(ValueError, match="at least one"):
        tree.map_structure(lambda: 1)


def test_map_structure_up_to():
    assert tree.map_structure_up_to([0, 0], len, [[1, 2], (3,)]) == [2, 1]
    with pytest.raises(ValueError, match="differ"):
        tree.map_structure_up_to([0, 0], len, [[1]])


def test_same_structure():
    tree.assert_same_structure({"a": [1]}, {"a": [2]})
    for other in ({"a": (1,)}, {"a": [1, 2]}, {"b": [1]}, [1]):
        with pytest.raises(ValueError, match="differ"):
            tree.assert_same_structure({"a": [1]}, other)
    tree.assert_same_paths([1, (2,)], (1, [2]))
    with pytest.raises(ValueError, match="paths"):
        tree.assert_same_paths([1], [1, 2])


def test_shapes_are_leaves():
    assert tree.map_shape_structure(len, {"a": (None, 2), "b": [(1, 2, 3), ()]}) == {"a": 2, "b": [3, 0]}


def test_traverse():
    assert tree.lists_to_tuples([1, [2, {"a": [3]}]]) == (1, (2, {"a": (3,)}))
    drop = tree.traverse(lambda x: tree.MAP_TO_NONE if x == 1 else None, [1, 2])
    assert drop == [None, 2]


def test_paths():
    assert tree.flatten_with_path({"a": [1, Point(2, 3)]}) == [
        (("a", 0), 1),
        (("a", 1, 0), 2),
        (("a", 1, 1), 3),
    ]


def test_deep_structures_flatten_without_recursion():
    x = []
    for _ in range(100_000):
        x = [x]
    assert tree.flatten(x) == []
    while x:  # dropped level by level
        x = x[0]
