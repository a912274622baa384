"""Several tasks on one trunk, and heads of several outputs: the order of steps, weights, labels and predictions."""

import dataclasses

import numpy as np
import pytest
import torch
from small_runs import CPU, settings_of

from genomelm.errors import Interrupted, UsageError
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import reverse_complement
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.metrics import measured
from genomelm.training import finetune as finetuning
from genomelm.training.config import TrainConfig
from genomelm.training.finetune import finetune, finetune_tasks, predict_task, task_model, tasks_model
from genomelm.training.pretrain import new_model
from genomelm.training.task_batches import TaskBatches
from genomelm.training.task_order import TaskOrder

CONFIG = TrainConfig(steps=120, batch_size=16, learning_rate=5e-3, latent_rate=1.0, evaluate_every=60)
WILD = "GATTACAGATTACATTAGGACCAT"
NUMBER = TaskConfig("number", weight=2.0)
CLASSES = TaskConfig("classes", "sequence_classification", label_column="y", classes=("a", "c", "g"))
LABELS = TaskConfig("labels", "sequence_classification", label_columns=("g", "t"))
NUMBERS = TaskConfig("numbers", label_columns=("g", "t"))
TRACK = TaskConfig("track", source="bigwig", per_base=True, window=24, token_step=3, two_strands=True)
BASES = TaskConfig(
    "bases", "token_classification", source="gff_classes", features={"x": "g", "y": "t"}, background="no",
    window=24, token_step=2,
)  # fmt: skip
EFFECT = TaskConfig("effect", "variant_effect", alt_column="alt", label_column="y", two_strands=True)
ALL = (NUMBER, CLASSES, LABELS, NUMBERS, TRACK, BASES, EFFECT)


def fresh(family="hyena_glt", objective="causal"):
    return new_model(settings_of(family, objective), Patcher(PatcherConfig("fixed_stride", stride=3)), 1)


def data(task: TaskConfig, count: int = 160) -> Examples:
    """Return sequences with what the task can learn of them."""
    random = np.random.default_rng(len(task.name))
    texts = ["".join(random.choice(list("ACGT"), 24)) for _ in range(count)]
    g, t = (np.array([text.count(letter) for text in texts], float) for letter in "GT")
    references: tuple[str, ...] = ()
    if task.name == "effect":
        references = tuple(texts)
        texts = [
            text[:10] + letter + text[11:]
            for text, letter in zip(texts, random.choice(list("ACGT"), count), strict=True)
        ]
        g = g * 0 + [
            8.0 * (text[10] in "GC") - 8.0 * (ref[10] in "GC") for text, ref in zip(texts, references, strict=True)
        ]
    labels = {
        "classes": np.argmax([[text.count(letter) for text in texts] for letter in "ACG"], 0),
        "labels": np.stack([g > 6, t > 6], 1),
        "numbers": np.stack([g, 100 * t + 1000], 1),
        "track": np.array([[5.0 * (c in "GC") if i > 2 else np.nan for i, c in enumerate(text)] for text in texts]),
        "bases": np.array([["GT".find(c) % 3 for c in text] for text in texts]),
    }.get(task.name, g)
    splits = np.array((["train"] * 5 + ["validation", "test", "test"]) * (count // 8))
    return Examples(tuple(map(str, range(count))), tuple(texts), np.array(labels, float), splits, (), references)


@pytest.mark.parametrize("task", ALL[1:], ids=lambda task: task.name)
def test_each_kind_of_output_is_learned_and_predicted_in_its_shape(tmp_path, task):
    examples = data(task)
    model, log, predicted = finetune(fresh(), task, examples, CONFIG, 1, tmp_path / "a", CPU, "x")
    test = examples.where("test")
    truth = task.judged(test.labels)
    assert predicted.shape == (*truth.shape[: 2 if task.of_bases else 1], *([task.outputs] if task.outputs > 1 else []))
    assert measured(task.metric, truth, predicted) > 0.6
    assert log[-1][f"validation_{task.metric}"] > 0.5
    head = model.config.head
    assert (head["outputs"], tuple(head["names"]), head["multi_label"]) == (
        task.outputs,
        task.output_names,
        task.multi_label,
    )
    assert model.gives_bases == task.of_bases


def test_several_numbers_are_learned_each_in_its_own_unit(tmp_path):
    examples = data(NUMBERS)
    model, _, predicted = finetune(fresh(), NUMBERS, examples, CONFIG, 1, tmp_path / "a", CPU, "x")
    train, test = examples.where("train").labels, examples.where("test").labels
    assert model.config.head["means"] == pytest.approx(train.mean(0))
    assert model.config.head["scales"] == pytest.approx(train.std(0))
    assert (np.abs(predicted.mean(0) - test.mean(0)) < test.std(0)).all()
    # the loss is the mean over both columns, in units of their own deviations
    batches = TaskBatches(NUMBERS, model.patcher)
    rows, still = np.arange(8), np.zeros(8, bool)
    labels = batches.labels(examples, rows, still)
    with torch.no_grad():
        found = model(**batches.batch(examples, rows, still).inputs(), labels=labels)
    expected = (((found.logits.double().numpy() - examples.labels[:8]) / train.std(0)) ** 2).mean()
    assert float(found.loss) == pytest.approx(expected, rel=1e-4)


def test_labels_beside_each_other_have_a_loss_each():
    examples = data(LABELS)
    model = task_model(fresh(), LABELS, examples.labels, 1)
    batches, rows, still = TaskBatches(LABELS, model.patcher), np.arange(8), np.zeros(8, bool)
    labels = batches.labels(examples, rows, still)
    with torch.no_grad():
        found = model(**batches.batch(examples, rows, still).inputs(), labels=labels)
    chances = torch.sigmoid(found.logits)
    expected = -(labels * chances.log() + (1 - labels) * (1 - chances).log()).mean()
    assert float(found.loss) == pytest.approx(float(expected), rel=1e-5)


def test_a_track_s_gaps_teach_nothing_and_its_labels_turn_with_the_strand():
    batches = TaskBatches(TRACK, fresh().patcher)
    examples = data(TRACK)
    labels = batches.labels(examples, np.array([0, 0]), np.array([False, True])).numpy()
    assert np.isnan(labels[:, 0]).all()
    assert np.array_equal(labels[0, 1:], labels[1, :0:-1], equal_nan=True)
    model = task_model(fresh(), TRACK, examples.labels, 1)
    batch, still = batches.batch(examples, np.arange(4)), np.zeros(4, bool)
    first = model(**batch.inputs(), labels=batches.labels(examples, np.arange(4), still)).loss.item()
    known = torch.from_numpy(~np.isnan(examples.labels[:4]))
    with torch.no_grad():
        values = model(**batch.inputs()).logits[:, 1:, 0]
    scale = np.nanstd(examples.labels)
    expected = ((values - torch.from_numpy(examples.labels[:4]).float())[known] / scale).square().mean()
    assert first == pytest.approx(float(expected), rel=1e-4)


def test_a_pair_is_read_on_one_strand_as_a_whole():
    """The other strand's pair is the pair of the reverse complements, which reads what the first one's text says."""
    model = task_model(fresh(), EFFECT, data(EFFECT).labels, 1).eval()
    given = data(EFFECT, 16)
    turned = dataclasses.replace(
        given,
        sequences=tuple(map(reverse_complement, given.sequences)),
        references=tuple(map(reverse_complement, given.references)),
    )
    batches = TaskBatches(EFFECT, model.patcher)
    with torch.no_grad():
        flagged = model(**batches.batch(given, np.arange(16), True).inputs()).logits
        plain = model(**batches.batch(turned, np.arange(16)).inputs()).logits
        mixed = model(**batches.batch(given, np.arange(16), np.arange(16) % 2 == 0).inputs()).logits
        still = model(**batches.batch(given, np.arange(16)).inputs()).logits
    assert torch.allclose(flagged, plain, atol=1e-6)
    expected = torch.where((torch.arange(16) % 2 == 0)[:, None], flagged, still)
    assert torch.allclose(mixed, expected, atol=1e-5)
    shared = dataclasses.replace(given, references=(WILD,) * 16)
    assert batches.batch(shared, np.arange(16), np.arange(16) % 2 == 0).references == 16
    assert batches.batch(shared, np.arange(16), True).references == 1


def test_the_order_of_tasks_is_a_function_of_the_seed_and_the_step():
    order = TaskOrder("alternate", [1.0, 5.0, 0.0], 10, 1)
    assert [order.at(step) for step in range(5)] == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    drawn, again, other = (TaskOrder("draw", [1.0, 3.0, 0.0], 4000, seed) for seed in (1, 1, 2))
    assert np.array_equal(drawn.tasks, again.tasks)
    assert not np.array_equal(drawn.tasks, other.tasks)
    assert np.bincount(drawn.tasks, minlength=3) / 4000 == pytest.approx([0.25, 0.75, 0], abs=0.03)
    for step in range(0, 4000, 397):
        which, number = drawn.at(step)
        assert number == (drawn.tasks[:step] == which).sum()
    with pytest.raises(UsageError, match="all tasks have the weight 0"):
        TaskOrder("draw", [0.0, 0.0], 10, 1)


def test_several_tasks_are_learned_on_one_trunk_and_read_one_by_one(tmp_path):
    tasks = [(task, data(task)) for task in (NUMBER, BASES, EFFECT)]
    config = dataclasses.replace(CONFIG, steps=240, evaluate_every=120)
    found = finetune_tasks(fresh(), tasks, config, 1, tmp_path / "a", CPU, "x")
    assert found.predictions.keys() == {"number", "bases", "effect"}
    for task, examples in tasks:
        truth = task.judged(examples.where("test").labels)
        assert measured(task.metric, truth, found.predictions[task.name]) > 0.6
        alone = predict_task(
            found.model.for_task(task.name), TaskBatches(task, found.model.patcher), examples.where("test"), CPU
        )
        assert alone == pytest.approx(found.predictions[task.name], abs=1e-6)
        assert found.log[-1][f"{task.name}_validation_{task.metric}"] > 0.5
    assert found.model.config.head["tasks"]["number"]["weight"] == 2.0


def test_a_task_s_steps_in_a_run_of_several_see_each_example_once_an_epoch(tmp_path, monkeypatch):
    seen: dict[str, list] = {}

    def noted(self, examples, rows, reverse=False):
        if len(rows) == 5:  # a training step
            seen.setdefault(self.name, []).extend(rows.tolist())
        return batch(self, examples, rows, reverse)

    batch = TaskBatches.batch
    monkeypatch.setattr(finetuning.TaskBatches, "batch", noted)
    tasks = [(task, data(task, 16)) for task in (NUMBER, CLASSES)]
    config = dataclasses.replace(CONFIG, steps=8, batch_size=5, evaluate_every=8, prefetch=0)
    finetune_tasks(fresh(), tasks, config, 1, tmp_path / "a", CPU, "x")
    for rows in seen.values():
        assert sorted(rows[:10]) == sorted(rows[10:20]) == list(range(10))
    assert seen["number"] != seen["classes"]


@pytest.mark.parametrize("order", ["alternate", "draw"])
def test_a_stopped_run_of_several_tasks_ends_as_one_that_was_not(tmp_path, order):
    tasks = [(task, data(task, 40)) for task in (NUMBER, CLASSES)]
    config = dataclasses.replace(
        CONFIG, steps=10, evaluate_every=5, task_order=order, tune="lora", checkpoint_minutes=0
    )
    whole = finetune_tasks(fresh(), tasks, config, 1, tmp_path / "a", CPU, "x")
    stops = 0
    while True:
        try:
            parts = finetune_tasks(fresh(), tasks, config, 1, tmp_path / "b", CPU, "x", max_minutes=1e-4 * (1 + stops))
            break
        except Interrupted:
            stops += 1
            assert stops < 200
    assert stops
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name])
    assert all(np.array_equal(value, parts.predictions[name]) for name, value in whole.predictions.items())


def test_weights_scale_the_losses_of_alternating_tasks_and_the_chances_of_drawn_ones():
    tasks = [(NUMBER, data(NUMBER)), (CLASSES, data(CLASSES))]
    by_loss = tasks_model(fresh(), tasks, 1, CONFIG).config.head["tasks"]
    by_chance = tasks_model(fresh(), tasks, 1, dataclasses.replace(CONFIG, task_order="draw")).config.head["tasks"]
    assert [head["weight"] for head in by_loss.values()] == [2.0, 1.0]
    assert [head["weight"] for head in by_chance.values()] == [1.0, 1.0]
    with pytest.raises(UsageError, match="two tasks are called 'number'"):
        tasks_model(fresh(), [tasks[0], tasks[0]], 1, CONFIG)


def test_tasks_of_several_alphabets_are_not_trained_together(tmp_path):
    tasks = [(NUMBER, data(NUMBER)), (TaskConfig("other", alphabet="rna"), data(NUMBER))]
    with pytest.raises(UsageError, match="read one alphabet, and these are of dna, rna: train them one by one"):
        finetune_tasks(fresh(), tasks, CONFIG, 1, tmp_path / "a", CPU, "x")


def test_a_model_of_several_alphabets_reads_that_of_its_task(tmp_path):
    patchers = {name: Patcher(PatcherConfig("fixed_stride", stride=3, alphabet=name)) for name in ("dna", "rna")}
    pretrained = new_model(settings_of("hyena_glt", alphabet="mixed"), patchers["dna"], 1)
    pretrained.give_patchers(patchers)
    given = data(NUMBER, 16)
    given = dataclasses.replace(
        given, sequences=tuple(text.replace("T", "U") for text in given.sequences), alphabet="rna"
    )
    config = dataclasses.replace(CONFIG, steps=2, evaluate_every=2)
    model, _, predicted = finetune(
        pretrained, TaskConfig("t", alphabet="rna"), given, config, 1, tmp_path / "a", CPU, "x"
    )
    assert model.alphabet == model.patcher.config.alphabet == "rna"
    assert np.isfinite(predicted).all()
