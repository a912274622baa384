"""Several heads on one trunk: each is that of a model of its own, and the losses add up by weight."""

import pytest
import torch
from small_batches import batch_of, each_family, labels_for
from transformers import AutoModel

from genomelm.errors import UsageError
from genomelm.models import GenomeModel, HyenaGLTConfig, HyenaGLTForMultiTask, HyenaGLTForRegression, load_model
from genomelm.models.encoding import Batch, make_batch
from genomelm.training.config import TrainConfig
from genomelm.training.optimizer import parameter_groups

TASKS = {
    "type": {"kind": "sequence_classification", "outputs": 3, "queries": 4, "weight": 0.5},
    "coding": {"kind": "token_classification", "weight": 2.0},
    "signal": {"kind": "regression", "queries": 4, "mean": 2.0, "scale": 3.0},
    "track": {"kind": "regression", "per_base": True, "task": "phylop"},
    "effect": {"kind": "variant_effect", "queries": 4, "scale": 2.0},
}


def make(make_model, family: str = "hyena_glt", tasks: dict | None = None, **options) -> GenomeModel:
    return make_model("multi_task", {"tasks": TASKS if tasks is None else tasks}, family=family, **options)


def a_batch(model: GenomeModel, made: list) -> Batch:
    return make_batch(made, [model.patcher.marks(r) for r in made], references=len(made) // 2)


def labels_of(model: GenomeModel, batch: Batch) -> dict[str, torch.Tensor]:
    found = {name: labels_for(model.for_task(name), batch) for name in ("type", "coding", "effect")}
    numbers = torch.randn(batch.ids.shape, generator=torch.Generator().manual_seed(1))
    return {**found, "signal": numbers[:, :1], "track": numbers.masked_fill(~batch.mask, float("nan"))}


@each_family
@torch.no_grad()
def test_each_task_has_the_outputs_of_a_model_with_that_head_alone(make_model, records, family: str) -> None:
    model = make(make_model, family)
    batch = a_batch(model, records(40, 33, 40, 36))
    found = model(**batch.inputs())
    assert list(found.logits) == list(TASKS)
    for name, shape in (("type", (4, 3)), ("coding", (4, 41, 1)), ("signal", (4, 1)), ("effect", (2, 1))):
        alone = model.for_task(name)
        assert type(alone).__name__.startswith(type(model).__name__.removesuffix("ForMultiTask"))
        assert alone.head_kind == TASKS[name]["kind"]
        assert found.logits[name].shape == shape
        given = batch.inputs() if name == "effect" else {**batch.inputs(), "references": None}
        assert torch.equal(alone(**given).logits, found.logits[name])
        assert torch.equal(model(**batch.inputs(), task=name).logits[name], found.logits[name])
    assert model.for_task("track").gives_bases
    assert [model.for_task(name).config.head["task"] for name in ("type", "track")] == ["type", "phylop"]


@torch.no_grad()
def test_the_loss_is_the_weighted_sum_over_the_tasks_that_have_labels(make_model, records) -> None:
    model = make(make_model)
    batch = a_batch(model, records(40, 33, 40, 36))
    labels = labels_of(model, batch)
    alone = {name: model(**batch.inputs(), labels={name: labels[name]}) for name in TASKS}
    for name, found in alone.items():
        given = batch.inputs() if name == "effect" else {**batch.inputs(), "references": None}
        own = model.for_task(name)(**given, labels=labels[name]).loss
        torch.testing.assert_close(found.loss, own * TASKS[name].get("weight", 1.0))
        assert list(found.logits) == [name]
        picked = model(**batch.inputs(), labels=labels[name], task=name)
        assert torch.equal(picked.loss, found.loss)
        assert torch.equal(model(**batch.inputs(), labels=labels, task=name).loss, found.loss)
    torch.testing.assert_close(model(**batch.inputs(), labels=labels).loss, sum(f.loss for f in alone.values()))
    assert model(**batch.inputs(), labels=labels, return_logits=False).logits is None


def test_a_task_teaches_its_head_and_the_trunk_and_no_other_head(make_model, records) -> None:
    model = make(make_model)
    batch = a_batch(model, records(40, 33, 40, 36))
    model(**batch.inputs(), labels={"coding": labels_of(model, batch)["coding"]}).loss.backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert {name for name in moved if name.startswith("head.")} == {
        f"head.tasks.task_coding.{part}" for part in ("hidden.weight", "hidden.bias", "out.weight", "out.bias")
    }
    assert any(name.startswith("shell.backbone.") for name in moved)


def test_a_model_of_one_task_shares_the_weights(make_model, records) -> None:
    model = make(make_model)
    alone = model.for_task("signal")
    assert alone.shell is model.shell
    assert alone.head is model.head.head("signal")
    assert all(not p.is_meta for p in alone.parameters())


@each_family
def test_saving_and_loading_keeps_every_task(make_model, records, tmp_path, family: str) -> None:
    model = make(make_model, family)
    model.save_pretrained(tmp_path / "m")
    batch = a_batch(model, records(30, 30))
    for load in (load_model, type(model).from_pretrained, AutoModel.from_pretrained):
        loaded = load(tmp_path / "m")
        assert type(loaded) is type(model)
        assert loaded.config.head == model.config.head
        assert set(loaded.tasks) == set(TASKS)
        for name, value in model(**batch.inputs()).logits.items():
            assert torch.equal(loaded(**batch.inputs()).logits[name], value)
    loaded.for_task("signal").save_pretrained(tmp_path / "one")
    assert isinstance(load_model(tmp_path / "one"), type(model.for_task("signal")))


def test_a_language_model_may_be_one_of_the_tasks(make_model, records) -> None:
    model = make(make_model, tasks={"lm": {"kind": "causal_lm"}, "gc": {"kind": "regression", "queries": 4}})
    made = records(30, 30)
    batch = batch_of(model.for_task("lm"), made)
    labels = {"lm": labels_for(model.for_task("lm"), batch), "gc": torch.zeros(2, 1)}
    assert model(**batch.inputs(), labels=labels).loss.isfinite()
    with pytest.raises(UsageError, match="a causal shell has the head causal_lm, not masked_lm"):
        make(make_model, tasks={"lm": {"kind": "masked_lm"}})


def test_every_parameter_is_in_exactly_one_group(make_model) -> None:
    model = make(make_model)
    found = [id(p) for group in parameter_groups(model, TrainConfig(steps=1)) for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters())


def test_what_is_not_there_is_told_by_name(make_model, records) -> None:
    model = make(make_model)
    batch = a_batch(model, records(30, 30))
    labels = labels_of(model, batch)
    for given, message in (
        ({"task": "codin"}, "no task 'codin'; its tasks are type, coding"),
        ({"labels": {"codin": labels["coding"]}}, "no task 'codin'"),
        ({"labels": labels["coding"]}, "the labels are of one task: name it"),
        ({"labels": {"type": labels["type"]}, "task": "coding"}, "labels of type, but none of task 'coding'"),
    ):
        with pytest.raises(UsageError, match=message):
            model(**batch.inputs(), **given)
    with pytest.raises(UsageError, match="no task 'x'; it has type"):
        model.for_task("x")
    with pytest.raises(UsageError, match="no task 'x'; it has a single head"):
        make_model().for_task("x")
    with pytest.raises(UsageError, match="task is 'x', but the model has a single head"):
        make_model()(**batch_of(make_model(), records(9)).inputs(), task="x")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"tasks": {}}, "has no tasks"),
        ({"tasks": {"a b": {"kind": "regression"}}}, "the name 'a b' is not letters"),
        ({"tasks": {"a": {"kind": "regresion"}}}, "head: 1 fault\n  tasks.a.kind: 'regresion' is not one of"),
        ({"tasks": {"a": {"wieght": 2}}}, "tasks.a.wieght: unknown key; did you mean 'weight'"),
        ({"tasks": {"a": {"weight": -1}}}, "tasks.a.weight: -1 is less than the minimum"),
        ({"kind": "multi_task"}, "has no tasks"),
        ({"tasks": {"a": {}}, "outputs": 2}, "outputs: unknown key"),
    ],
)
def test_a_faulty_list_of_tasks_is_told(head: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        HyenaGLTConfig(head=head)


def test_configs_of_one_task_and_of_several_have_their_own_classes() -> None:
    with pytest.raises(UsageError, match="kind multi_task is wanted, and the config's is causal_lm"):
        HyenaGLTForMultiTask(HyenaGLTConfig())
    with pytest.raises(UsageError, match="kind regression is wanted, and the config's is multi_task"):
        HyenaGLTForRegression(HyenaGLTConfig(head={"tasks": TASKS}))
