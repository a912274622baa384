"""Every parameter is in one group, with the rate and decay of its kind."""

import dataclasses
import itertools

import pytest
from small_runs import QUICK, SETTINGS, settings_of

from genomelm.models.config import BranchConfig
from genomelm.seq.alphabet import MODALITIES
from genomelm.training.config import TrainConfig
from genomelm.training.optimizer import make_optimizer, parameter_groups, rate_at, set_rate
from genomelm.training.pretrain import new_model


@pytest.mark.parametrize("objective", ["causal", "masked"])
@pytest.mark.parametrize("family", SETTINGS)
def test_every_parameter_is_in_exactly_one_group(site, masked_site, family, objective):
    place = site if objective == "causal" else masked_site
    model = new_model(settings_of(family, objective), place.patcher, 1)
    groups = parameter_groups(model, QUICK)
    found = [id(p) for group in groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters())
    assert len({group["name"] for group in groups}) == len(groups)


def group_of(model) -> dict[str, str]:
    """Return the name of each parameter's group."""
    groups = {id(p): group["name"] for group in parameter_groups(model, QUICK) for p in group["params"]}
    return {name: groups[id(p)] for name, p in model.named_parameters()}


def test_filters_and_tables_have_their_own_groups_without_decay(site, masked_site):
    found = group_of(new_model(settings_of("hyena_glt"), site.patcher, 1))
    assert found["shell.kmers.tables.0.weight"] == "bytes, no decay"
    assert found["shell.backbone.blocks.0.mixer.filter.out.weight"] == "filters, no decay"
    assert found["shell.backbone.blocks.0.mixer.into.weight"] == "latent"
    both_ways = group_of(new_model(settings_of("hyena_glt", "masked"), masked_site.patcher, 1))
    ahead = {name for name in both_ways if ".ahead." in name}
    assert len(ahead) == sum(name.startswith("shell.backbone.blocks.0.mixer.filter.") for name in both_ways)
    assert {both_ways[name] for name in ahead} == {"filters, no decay"}


def test_tables_of_mixed_models_do_not_decay_and_what_patches_read_is_latent(site):
    settings = settings_of("hyena_glt", alphabet="mixed", hashed_kmers=(6,), hash_buckets=64)
    settings = dataclasses.replace(settings, branches=BranchConfig(structure=True))
    found = group_of(new_model(settings, site.patcher, 1))
    tables = [name for name in found if ".kmer_tables." in name or name == "shell.modality.weight"]
    assert {found[name] for name in tables} == {"bytes, no decay"}
    assert "shell.kmer_tables.nucleotides.hashed.tables.0.weight" in tables
    assert {found[f"shell.structures.{name}.out.weight"] for name in MODALITIES} == {"latent"}


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_state_space_parameters_have_their_own_group_without_decay(site, masked_site, objective):
    place = site if objective == "causal" else masked_site
    model = new_model(settings_of("gryphon", objective), place.patcher, 1)
    found = group_of(model)
    inside = {name for name, kind in found.items() if kind.startswith("state space")}
    assert inside == {name for name in found if ".ssm." in name}
    assert {"log_decay", "frequency", "log_step", "into", "out", "skip"} <= {name.split(".")[-1] for name in inside}
    (group,) = [group for group in parameter_groups(model, QUICK) if group["name"].startswith("state space")]
    assert group["weight_decay"] == 0
    assert group["share"] == QUICK.ssm_rate == 0.1
    assert found["shell.backbone.blocks.0.mixer.gate.weight"] == "latent"  # around the state space, not of it
    assert found["shell.backbone.blocks.1.mixer.into.weight"] == "latent"


def test_each_group_learns_at_its_share_of_the_rate(site):
    config = TrainConfig(steps=1, ssm_rate=0.5, latent_rate=0.25)
    optimizer = make_optimizer(new_model(settings_of("gryphon"), site.patcher, 1), config)
    set_rate(optimizer, 0.8)
    rates = {group["name"].split(",")[0]: group["lr"] for group in optimizer.param_groups}
    assert rates == pytest.approx({"bytes": 0.8, "latent": 0.2, "state space": 0.4})


def test_the_rate_rises_then_falls_to_its_share():
    config = TrainConfig(steps=100, learning_rate=1.0, warmup=0.1, final_rate=0.1)
    rates = [rate_at(step, 100, config) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 9
    assert all(a < b for a, b in itertools.pairwise(rates[:10]))
    assert all(a > b for a, b in itertools.pairwise(rates[9:]))
    assert rates[-1] == pytest.approx(0.1)
