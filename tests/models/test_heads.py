import math

import pytest
import torch
from small_batches import each_model, states_of

from genomelm.errors import UsageError
from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.encoding import make_batch
from genomelm.models.heads import ByteLMHead, SequenceHead
from genomelm.seq.alphabet import BOS, PAD, encode

SHELL = ShellConfig(local_width=16)


@pytest.mark.parametrize("alphabet", ["dna", "rna", "protein"])
def test_the_language_models_loss_is_minus_log_p_over_the_letters(alphabet: str) -> None:
    torch.manual_seed(0)
    head = ByteLMHead(ShellConfig(alphabet=alphabet, local_width=16), HeadConfig())
    torch.nn.init.normal_(head.out.bias)
    letters = {"dna": "ACGT", "rna": "ACGU", "protein": "ACDEFGHIKLMNPQRSTVWY"}[alphabet]
    rows = [
        "".join(letters[(7 * i + i * i) % len(letters)] for i in range(15)) + "X",
        letters[::-1][:4] + "X" + letters[0],
    ]
    states, ids, mask = states_of("A" * 16, "A" * 6)
    for n, row in enumerate(rows):
        ids[n, 1 : 1 + len(row)] = torch.from_numpy(encode(row, alphabet))
    logits, nats = head(states, ids, mask), []
    for n, row in enumerate(rows):
        for i, letter in enumerate(row):
            if letter in letters:  # the unknown letter and PAD are not scored
                choice = torch.stack([logits[n, i, ord(c)] for c in letters]).double()
                nats.append((n, i, choice.logsumexp(0) - choice[letters.index(letter)]))
    assert len(nats) == 15 + 5
    expected = torch.stack([v for *_, v in nats])
    torch.testing.assert_close(head.loss(states, ids, mask, ids).double(), expected.mean(), atol=1e-6, rtol=0)
    each = head.nats(states, ids)
    torch.testing.assert_close(
        each[[n for n, *_ in nats], [i for _, i, _ in nats]].double(), expected, atol=1e-5, rtol=0
    )
    assert each.count_nonzero() == len(nats)


def test_labels_of_minus_hundred_are_left_out() -> None:
    torch.manual_seed(0)
    head = ByteLMHead(SHELL, HeadConfig())
    states, ids, mask = states_of("ACGTACGT")
    labels = ids.clone()
    labels[0, 3:] = -100
    torch.testing.assert_close(head.loss(states, ids, mask, labels), head.nats(states, ids)[0, :2].mean())
    assert head.loss(states, ids, mask, torch.full_like(ids, -100)) == 0


def test_the_other_outputs_do_not_enter_the_loss() -> None:
    torch.manual_seed(0)
    head = ByteLMHead(SHELL, HeadConfig())
    states, ids, mask = states_of("ACGTNACGT")
    before = head.loss(states, ids, mask, ids)
    with torch.no_grad():
        head.out.bias[[ord("N"), PAD, BOS, ord("a")]] += 50
    assert torch.equal(head.loss(states, ids, mask, ids), before)


def test_uniform_logits_cost_two_bits_per_base() -> None:
    head = ByteLMHead(SHELL, HeadConfig())
    torch.nn.init.zeros_(head.out.weight)
    torch.nn.init.zeros_(head.out.bias)
    states, ids, mask = states_of("ACGTNNNACGT", "AC")
    assert head.loss(states, ids, mask, ids).item() / math.log(2) == pytest.approx(2)


@each_model
def test_a_record_without_letters_costs_nothing_and_is_finite(make_model, family: str, objective: str) -> None:
    model = make_model(family=family, objective=objective)
    for rows in (["N" * 9], [""]):
        made = [encode(row) for row in rows]
        batch = make_batch(made, [model.patcher.marks(record) for record in made])
        assert model(**batch.inputs(), labels=batch.ids).loss == 0


def sequence_head(kind: str = "sequence_classification", **settings) -> SequenceHead:
    torch.manual_seed(1)
    return SequenceHead(SHELL, HeadConfig(kind=kind, queries=4, **settings)).eval()


def test_pooling_ignores_bos_and_padding() -> None:
    head = sequence_head(outputs=3)
    states, ids, mask = states_of("ACGTAC", "AC")
    before = head(states, ids, mask)
    other = states.clone()
    other[ids == BOS], other[~mask] = 1e3, -1e3
    assert torch.equal(head(other, ids, mask), before)
    other[1, 2] += 1
    assert not torch.equal(head(other, ids, mask)[1], before[1])


def test_pooling_is_the_mean_and_a_softmax_over_the_bases() -> None:
    head = sequence_head(outputs=2)
    states, ids, mask = states_of("ACGTAC", "ACG")
    for row, bases in ((0, 6), (1, 3)):
        x = states[row, 1 : 1 + bases]  # (l, d)
        value = head.value(x).view(bases, 4, 4)
        focus = head.attention(x).softmax(0)  # (l, queries)
        found = torch.cat([(focus[:, q, None] * value[:, q]).sum(0) for q in range(4)])
        expected = head.out(torch.tanh(head.pool(torch.cat([x.mean(0), found]))))
        torch.testing.assert_close(head(states, ids, mask)[row], expected, atol=1e-5, rtol=0)


def test_a_row_without_bases_stays_finite() -> None:
    states, ids, mask = states_of("ACG", "")
    assert sequence_head()(states, ids, mask).isfinite().all()


def test_queries_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(UsageError, match="head.queries is 5.*local_width 16"):
        SequenceHead(SHELL, HeadConfig(kind="regression", queries=5))


def test_regression_answers_in_the_labels_units() -> None:
    plain, scaled = sequence_head("regression", outputs=2), sequence_head("regression", outputs=2, mean=7.0, scale=0.5)
    states, ids, mask = states_of("ACGTAC", "ACG")
    torch.testing.assert_close(scaled(states, ids, mask), plain(states, ids, mask) * 0.5 + 7)


def test_the_regression_loss_is_the_squared_error_in_deviations() -> None:
    head = sequence_head("regression", outputs=2, mean=7.0, scale=0.5)
    states, ids, mask = states_of("ACGTAC", "ACG")
    labels = torch.tensor([[7.0, 8.0], [6.0, 9.5]])
    expected = (((head(states, ids, mask) - labels) / 0.5) ** 2).mean()
    torch.testing.assert_close(head.loss(states, ids, mask, labels), expected)
    single = sequence_head("regression", mean=7.0, scale=0.5)
    flat = (((single(states, ids, mask)[:, 0] - labels[:, 0]) / 0.5) ** 2).mean()
    torch.testing.assert_close(single.loss(states, ids, mask, labels[:, 0]), flat)


def test_one_class_has_the_binary_loss_and_several_the_cross_entropy() -> None:
    states, ids, mask = states_of("ACGTAC", "ACG", "T")
    labels = torch.tensor([1, 0, 1])
    binary = sequence_head(outputs=1)
    p = binary(states, ids, mask)[:, 0].double().sigmoid()
    expected = -torch.where(labels == 1, p, 1 - p).log().mean()
    torch.testing.assert_close(binary.loss(states, ids, mask, labels).double(), expected, atol=1e-6, rtol=0)
    several = sequence_head(outputs=3)
    log_p = several(states, ids, mask).double().log_softmax(1)
    expected = -log_p[torch.arange(3), labels].mean()
    torch.testing.assert_close(several.loss(states, ids, mask, labels).double(), expected, atol=1e-6, rtol=0)


def test_dropout_acts_in_training_only() -> None:
    head = sequence_head(dropout=0.5)
    inputs = states_of("ACGTAC", "ACG")
    assert torch.equal(head(*inputs), head(*inputs))
    assert not torch.equal(head.train()(*inputs), head(*inputs))
