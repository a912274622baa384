"""Configs: every fault at once, the nearest known key, one source of defaults."""

from dataclasses import dataclass

import pytest

from genomelm.errors import UsageError
from genomelm.settings import from_mapping, json_schema, problems_in, read_config, setting, to_mapping


@dataclass(frozen=True)
class Inner:
    width: int = setting(8, "width", minimum=1)


@dataclass(frozen=True)
class Outer:
    name: str = setting(help="a name")
    rate: float = setting(0.5, "a rate", minimum=0, maximum=1)
    kind: str = setting("a", "a kind", choices=("a", "b"))
    sizes: tuple[int, ...] = setting((1, 2), "sizes")
    limit: int | None = setting(None, "a limit", minimum=1)
    inner: Inner = setting(factory=Inner)
    others: dict[str, Inner] = setting(factory=dict)


def test_a_config_comes_back_as_it_went():
    config = Outer("x", 0.25, "b", (3,), 4, Inner(2), {"y": Inner(5)})
    assert from_mapping(Outer, to_mapping(config)) == config
    assert from_mapping(Outer, {"name": "x"}) == Outer("x")


def test_all_faults_are_told_at_once_with_the_nearest_key():
    value = {"rtae": 1, "kind": "c", "sizes": [1, "x"], "inner": {"widht": 3}, "others": {"y": {"width": 0}}}
    with pytest.raises(UsageError) as caught:
        from_mapping(Outer, value, "my.yaml")
    said = str(caught.value)
    for part in (
        "my.yaml: 6 faults",
        "rtae: unknown key; did you mean 'rate'?",
        "'name' is a required property",
        "'c' is not one of",
        "sizes.1: 'x' is not of type 'integer'",
        "inner.widht: unknown key; did you mean 'width'?",
        "others.y.width: 0 is less than the minimum of 1",
    ):
        assert part in said


def test_numbers_that_yaml_reads_as_text_or_infinity_are_explained(tmp_path):
    (tmp_path / "c.yaml").write_text("name: x\nrate: 1e-3\n")
    with pytest.raises(UsageError, match="with a point"):
        read_config(Outer, tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text("name: x\nrate: .nan\n")
    with pytest.raises(UsageError, match="not a finite number"):
        read_config(Outer, tmp_path / "c.yaml")


def test_whole_floats_become_integers():
    limit = from_mapping(Outer, {"name": "x", "limit": 8.0}).limit
    assert isinstance(limit, int)


def test_a_boolean_is_no_number_and_null_only_where_allowed():
    assert problems_in({"name": "x", "limit": None}, Outer) == []
    assert problems_in({"name": None}, Outer)
    assert problems_in({"name": "x", "limit": True}, Outer)


@pytest.mark.parametrize("text", ["a: [", "- 1\n", "just text\n"])
def test_what_is_no_yaml_mapping_is_refused(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UsageError):
        read_config(Outer, tmp_path / "c.yaml")


def test_the_schema_carries_help_limits_and_defaults():
    rate = json_schema(Outer)["properties"]["rate"]
    assert rate["description"] == "a rate"
    assert (rate["minimum"], rate["maximum"], rate["default"]) == (0, 1, 0.5)
    assert json_schema(Outer)["additionalProperties"] is False
