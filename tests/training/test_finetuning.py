"""Fine-tuning: the order of examples, strands, units, and each kind of task learned."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from small_runs import CPU, settings_of

from genomelm.errors import UsageError
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import reverse_complement
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.training import finetune as finetuning
from genomelm.training.config import TrainConfig
from genomelm.training.finetune import _rows, finetune, predict_task, task_model
from genomelm.training.pretrain import new_model
from genomelm.training.task_batches import TaskBatches

CONFIG = TrainConfig(steps=120, batch_size=16, learning_rate=5e-3, latent_rate=1.0, evaluate_every=60)
TOKENS = TaskConfig("t", "token_classification", "gff_tokens", two_strands=True, window=24, token_step=5)
WILD = "GATTACAGATTACATTAGGACCAT"


@pytest.fixture(scope="module")
def fresh_models():
    """(family, objective) -> a language model with fresh weights and patches of three letters."""

    def make(family, objective, alphabet="dna"):
        patcher = Patcher(PatcherConfig("fixed_stride", stride=3, alphabet=alphabet))
        return new_model(settings_of(family, objective, alphabet=alphabet), patcher, 1)

    return make


def drawn(count: int, length: int = 24, seed: int = 0) -> tuple[str, ...]:
    random = np.random.default_rng(seed)
    return tuple("".join(random.choice(list("ACGT"), length)) for _ in range(count))


def examples(texts, labels, **more) -> Examples:
    splits = np.array((["train"] * 5 + ["validation", "test", "test"]) * (len(texts) // 8))
    return Examples(tuple(map(str, range(len(texts)))), texts, np.array(labels, float), splits, **more)


@pytest.mark.parametrize(("count", "size"), [(10, 3), (7, 7), (5, 12), (1, 4)])
def test_each_epoch_sees_every_example_once(count, size):
    steps = 3 * count
    seen = np.concatenate([_rows(step, size, count, seed=1) for step in range(steps)])
    assert len(seen) == steps * size
    for epoch in range(len(seen) // count):
        assert sorted(seen[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_the_order_is_a_function_of_seed_and_step():
    assert np.array_equal(_rows(5, 4, 50, seed=1), _rows(5, 4, 50, seed=1))
    assert not np.array_equal(_rows(5, 4, 50, seed=1), _rows(5, 4, 50, seed=2))


def test_two_strand_predictions_are_the_mean_of_both_readings(language_model, tiny_sequence):
    task = TaskConfig("t", kind="sequence_classification", two_strands=True)
    model = task_model(language_model, task, np.array([0.0, 1.0]), seed=1).eval()
    texts = tuple(tiny_sequence[i : i + 30] for i in range(0, 2400, 300))
    given, turned = examples(texts, [0] * 8), examples(tuple(map(reverse_complement, texts)), [0] * 8)
    both = predict_task(model, TaskBatches(task, model.patcher), given, CPU)
    assert both == pytest.approx(predict_task(model, TaskBatches(task, model.patcher), turned, CPU), abs=1e-6)
    one_strand = TaskBatches(dataclasses.replace(task, two_strands=False), model.patcher)
    one, other = (predict_task(model, one_strand, given, CPU) for given in (given, turned))
    assert one != pytest.approx(both, abs=1e-6)
    assert (one + other) / 2 == pytest.approx(both, abs=1e-6)


def test_two_strand_predictions_of_bases_turn_with_the_sequence(language_model):
    task = dataclasses.replace(TOKENS, token_step=1)
    model = task_model(language_model, task, np.zeros((2, 24)), seed=1).eval()
    batches, texts = TaskBatches(task, model.patcher), drawn(8)
    given = examples(texts, np.zeros((8, 24)))
    turned = dataclasses.replace(given, sequences=tuple(map(reverse_complement, texts)))
    both = predict_task(model, batches, given, CPU)
    assert both.shape == (8, 24)
    assert both == pytest.approx(predict_task(model, batches, turned, CPU)[:, ::-1], abs=1e-6)
    one_strand = TaskBatches(dataclasses.replace(task, two_strands=False), model.patcher)
    rows = [model(**one_strand.batch(given, np.arange(8)).inputs()).logits[:, 1:, 0].detach().numpy()]
    rows.append(model(**one_strand.batch(turned, np.arange(8)).inputs()).logits[:, 1:, 0].detach().numpy()[:, ::-1])
    assert both == pytest.approx(np.mean(rows, 0), abs=1e-6)
    some = TaskBatches(dataclasses.replace(task, token_step=5), model.patcher)
    assert np.array_equal(predict_task(model, some, given, CPU), both[:, ::5])


def test_a_regression_is_learned_in_the_labels_units_and_shuffled_labels_are_not(language_model, tmp_path):
    texts = drawn(160)
    data = examples(texts, [3 * (t.count("G") - t.count("A")) + 50 for t in texts])
    task = TaskConfig("t")
    model, log, predicted = finetune(language_model, task, data, CONFIG, 1, tmp_path / "a", CPU, "x")
    truth = data.where("test").labels
    assert np.corrcoef(predicted, truth)[0, 1] > 0.6
    assert abs(predicted.mean() - truth.mean()) < truth.std()
    assert [row["step"] for row in log] == [60, 120]
    shuffled = dataclasses.replace(data, labels=np.random.default_rng(0).permutation(data.labels))
    _, _, noise = finetune(language_model, task, shuffled, CONFIG, 1, tmp_path / "b", CPU, "x")
    assert abs(np.corrcoef(noise, truth)[0, 1]) < 0.5
    assert model.config.head["mean"] == pytest.approx(data.where("train").labels.mean())


@pytest.mark.parametrize(("family", "objective"), [("hyena_glt", "causal"), ("gryphon", "masked")])
def test_labels_of_bases_are_learned_from_both_their_sides(fresh_models, tmp_path, family, objective):
    """A base is labelled where the next one is a G: a causal model has that from the other strand only."""
    texts = drawn(160)
    labels = [[float(after == "G") for after in text[1:] + "A"] for text in texts]
    data = examples(texts, labels)
    pretrained = fresh_models(family, objective)
    task = dataclasses.replace(TOKENS, two_strands=objective == "causal")
    model, log, predicted = finetune(pretrained, task, data, CONFIG, 1, tmp_path / "a", CPU, "x")
    truth = task.judged(data.where("test").labels)
    assert predicted.shape == truth.shape == (40, 5)
    assert roc_auc_score(truth.ravel(), predicted.ravel()) > 0.8
    assert log[-1]["validation_auroc"] > 0.8
    assert model.head_kind == "token_classification"
    assert model.objective == objective


def mutated(count: int) -> tuple[tuple[str, ...], list[float]]:
    """Return mutants of WILD at one to three places, and how many more G than A they have."""
    random, texts = np.random.default_rng(3), []
    for _ in range(count):
        letters = list(WILD)
        for place in random.choice(24, random.integers(1, 4), replace=False):
            letters[place] = random.choice([letter for letter in "ACGT" if letter != letters[place]])
        texts.append("".join(letters))
    value = lambda text: text.count("G") - text.count("A")
    return tuple(texts), [value(text) - value(WILD) for text in texts]


@pytest.mark.parametrize(("family", "objective"), [("gryphon", "causal"), ("hyena_glt", "masked")])
def test_effects_of_variants_are_learned_in_their_units(fresh_models, tmp_path, family, objective):
    texts, labels = mutated(160)
    data = examples(texts, 10 * np.array(labels), references=(WILD,) * 160)
    task = TaskConfig("t", "variant_effect", reference=WILD)
    pretrained = fresh_models(family, objective)
    model, log, predicted = finetune(pretrained, task, data, CONFIG, 1, tmp_path / "a", CPU, "x")
    truth = data.where("test").labels
    assert np.corrcoef(predicted, truth)[0, 1] > 0.6
    assert np.abs(predicted - truth).mean() < np.abs(truth).mean()
    assert model.config.head["scale"] == pytest.approx(np.sqrt((data.where("train").labels ** 2).mean()))
    assert model.config.head["mean"] == 0
    assert log[-1]["validation_pearson"] > 0.5
    wild = examples((WILD,) * 8, [0] * 8, references=(WILD,) * 8)
    assert (predict_task(model, TaskBatches(task, model.patcher), wild, CPU) == 0).all()


def test_a_task_keeps_the_shell_and_draws_its_head_from_the_seed(fresh_models):
    pretrained = fresh_models("gryphon", "masked")
    task = TaskConfig("t", "variant_effect", reference=WILD)
    first, again, other = (task_model(pretrained, task, np.array([1.0, 2.0]), seed) for seed in (1, 1, 2))
    assert all(
        torch.equal(value, first.shell.state_dict()[name]) for name, value in pretrained.shell.state_dict().items()
    )
    assert torch.equal(first.head.pool.weight, again.head.pool.weight)
    assert not torch.equal(first.head.pool.weight, other.head.pool.weight)
    assert (first.config.head["reference"], first.config.head["task"]) == (WILD, "t")
    assert pretrained.config.head["task"] == ""


def test_a_head_keeps_the_length_of_the_windows_of_variants(fresh_models):
    pretrained = fresh_models("gryphon", "masked")
    of_vcf = TaskConfig("t", "variant_effect", source="vcf", label_column="EFF", window=40)
    lengths = [
        task_model(pretrained, task, np.array([1.0, 2.0]), 1).config.head["window"]
        for task in (of_vcf, TaskConfig("t", "variant_effect", reference=WILD))
    ]
    assert lengths == [40, 0]


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_training_file_s_dropout_is_the_head_s(fresh_models, tmp_path, dropout):
    data = examples(drawn(8), range(8))
    config = dataclasses.replace(CONFIG, steps=1, dropout=dropout)
    model, *_ = finetune(fresh_models("gryphon", "causal"), TaskConfig("t"), data, config, 1, tmp_path / "a", CPU, "x")
    assert model.config.head["dropout"] == model.head.dropout.p == dropout


@pytest.mark.parametrize(("of_model", "of_task"), [("dna", "rna"), ("rna", "protein"), ("protein", "dna")])
def test_a_task_of_another_alphabet_is_refused(fresh_models, of_model, of_task):
    task = TaskConfig("t", alphabet=of_task)
    message = f"the model reads {of_model}, but task 't' is of {of_task}.*shell.alphabet {of_task}"
    with pytest.raises(UsageError, match=message):
        task_model(fresh_models("hyena_glt", "masked", of_model), task, np.array([0.0, 1.0]), 1)


def test_a_label_of_minus_100_is_a_number_like_any_other(fresh_models, tmp_path):
    texts = drawn(64)
    labels = np.round([-100 + text.count("G") - 6 for text in texts])
    assert (labels == -100).sum() > 4
    data, config = examples(texts, labels), dataclasses.replace(CONFIG, steps=2, evaluate_every=1)
    whole, parts = (
        finetune(
            *(fresh_models("gryphon", "causal"), TaskConfig("t"), data, dataclasses.replace(config, accumulate=count)),
            *(1, tmp_path / str(count), CPU, "x"),
        )[1]
        for count in (1, 4)
    )
    assert [row["train_loss"] for row in parts] == pytest.approx([row["train_loss"] for row in whole], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "value"),
    [("window", 64), ("order", "epoch"), ("records", "pack"), ("masked_share", 0.3), ("repeat_weight", 0.5)],
)
def test_settings_of_pretraining_are_refused(fresh_models, tmp_path, name, value):
    data, config = examples(drawn(8), range(8)), dataclasses.replace(CONFIG, **{name: value})
    with pytest.raises(UsageError, match=f"{name}: {value}: of pretraining, without effect in fine-tuning; leave out"):
        finetune(fresh_models("gryphon", "causal"), TaskConfig("t"), data, config, 1, tmp_path / "a", CPU, "x")


def test_a_checkpoint_serves_runs_of_the_same_patches_and_with_early_stopping_validation(
    fresh_models, tmp_path, monkeypatch
):
    found = []
    monkeypatch.setattr(finetuning, "train", lambda model, run, *_: found.append(run.fingerprint) or [])

    def fingerprint(stride: int, early_stopping: int | None, moved: float = 0.0) -> str:
        model = fresh_models("gryphon", "causal")
        model.patcher = Patcher(PatcherConfig("fixed_stride", stride=stride))
        data = examples(drawn(16), np.arange(16) + moved * (np.arange(16) % 8 == 5))  # 5 is for validation
        config = dataclasses.replace(CONFIG, early_stopping=early_stopping)
        finetune(model, TaskConfig("t"), data, config, 1, tmp_path / "a", CPU, "x")
        return found[-1]

    assert fingerprint(3, None) == fingerprint(3, None, 1.0) != fingerprint(4, None)
    assert fingerprint(3, 2) != fingerprint(3, 2, 1.0)


def test_a_run_needs_steps_or_epochs_and_a_patcher(fresh_models, tmp_path):
    texts = drawn(8)
    data, model = examples(texts, range(8)), fresh_models("gryphon", "causal")
    with pytest.raises(UsageError, match="'steps' or 'epochs'"):
        finetune(model, TaskConfig("t"), data, TrainConfig(), 1, tmp_path / "a", CPU, "x")
    model.patcher = None
    with pytest.raises(UsageError, match="no patcher"):
        finetune(model, TaskConfig("t"), data, CONFIG, 1, tmp_path / "a", CPU, "x")
