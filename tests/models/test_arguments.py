"""forward takes what it knows, as transformers names it, and refuses the rest by name."""

import pytest
import torch
import transformers
from small_batches import batch_of, labels_for

from genomelm.errors import InputError, UsageError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("label", "no argument 'label'; did you mean 'labels'"),
        ("patch_start", "did you mean 'patch_starts'"),
        ("output_attentions", "no argument 'output_attentions'"),
        ("num_items_in_batch", "no argument 'num_items_in_batch'; known: input_ids, attention_mask, labels"),
    ],
)
def test_an_unknown_argument_is_refused_with_the_nearest_one(make_model, records, name: str, message: str) -> None:
    model = make_model()
    with pytest.raises(UsageError, match=message) as caught:
        model(**batch_of(model, records(9)).inputs(), **{name: None})
    assert caught.value.exit_code == 2


@torch.no_grad()
def test_a_tuple_holds_what_the_named_output_holds(make_model, records) -> None:
    model = make_model()
    batch = batch_of(model, records(20))
    labels = labels_for(model, batch)
    named = model(**batch.inputs(), labels=labels, return_dict=True)
    loss, logits, states = model(**batch.inputs(), labels=labels, return_dict=False)
    assert torch.equal(loss, named.loss)
    assert torch.equal(logits, named.logits)
    assert torch.equal(states, named.hidden_states)
    assert len(model(**batch.inputs(), return_dict=False)) == 2


def test_transformers_trainer_adds_no_argument(make_model, records, tmp_path) -> None:
    """Its own loss arguments are not for us: one step of it runs, and moves the weights."""
    model = make_model()
    batch = batch_of(model, records(20, 20))
    rows = [
        {"input_ids": batch.ids[i], "attention_mask": batch.mask[i].long(), "labels": batch.ids[i]} for i in range(2)
    ]
    before = model.head.out.weight.detach().clone()
    arguments = transformers.TrainingArguments(
        tmp_path, max_steps=1, report_to=[], use_cpu=True, save_strategy="no", disable_tqdm=True
    )
    transformers.Trainer(model, arguments, train_dataset=rows).train()
    assert not torch.equal(model.head.out.weight, before)


def test_patch_starts_and_masks_that_are_no_geometry_are_told(make_model, records) -> None:
    model = make_model()
    given = batch_of(model, records(20, 12)).inputs()
    starts, mask = given["patch_starts"], given["attention_mask"]
    unstarted, hole = starts.clone(), mask.clone()
    unstarted[1, 0] = False
    hole[1, 3] = False
    for changed, message in (
        ({"attention_mask": mask.flip(1)}, "padding before a byte: pad on the right"),
        ({"attention_mask": hole}, "padding before a byte: pad on the right"),
        ({"patch_starts": unstarted}, "a row's first byte starts no patch"),
        ({"patch_starts": torch.zeros_like(starts)}, "a row's first byte starts no patch"),
        ({"patch_starts": starts[0]}, "patch starts have shape"),
        ({"patch_starts": starts[:, :-1]}, "patch starts have shape"),
    ):
        with pytest.raises(InputError, match=message):
            model(**given | changed)
