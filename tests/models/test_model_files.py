import re
from pathlib import Path

import pytest
import torch

from genomelm.errors import UsageError
from genomelm.models.classes import CLASSES
from genomelm.models.config import (
    LANGUAGE_HEADS,
    GryphonSettings,
    HyenaGLTSettings,
    TransformerSettings,
    read_model_file,
)
from genomelm.models.families import HyenaGLTConfig, config_of
from genomelm.settings import to_mapping

PARAMETERS = {
    "hyena_glt_small": (6.8e6, 7.6e6),
    "transformer_small": (6.8e6, 7.6e6),
    "cnn_small": (1.9e6, 2.1e6),
    "cnn_small_masked": (1.9e6, 2.1e6),
    "hyena_glt_small_32x": (11.5e6, 12.9e6),
    "hyena_glt_base": (108e6, 112e6),
    "hyena_glt_large": (335e6, 345e6),
    "gryphon_small": (6.8e6, 7.6e6),
    "gryphon_base": (108e6, 112e6),
    "gryphon_large": (335e6, 345e6),
}
"""Model files that are not for a laptop -> parameters, at least and at most; all others have less than a million."""

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "models").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_model_file_of_the_repository_makes_a_model(path: Path) -> None:
    settings = read_model_file(path)
    config = config_of(settings)
    with torch.device("meta"):
        model = CLASSES[config.model_type, LANGUAGE_HEADS[settings.shell.objective]](config)
    assert (model.config.shell, model.config.backbone) == (to_mapping(settings.shell), to_mapping(settings.backbone))
    assert model.objective == settings.shell.objective
    assert path.stem.startswith(settings.family)
    low, high = PARAMETERS.get(path.stem, (0, 1e6))
    assert low < sum(p.numel() for p in model.parameters()) < high


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("tiny", HyenaGLTConfig.tiny()),
        ("small", HyenaGLTConfig.small()),
        ("small_32x", HyenaGLTConfig.small(mean_patch=32)),
        ("base", HyenaGLTConfig.base()),
        ("large", HyenaGLTConfig.large()),
    ],
)
def test_a_size_by_name_is_its_model_file(name: str, config: HyenaGLTConfig) -> None:
    settings = read_model_file(SHIPPED[0].parent / f"hyena_glt_{name}.yaml")
    assert config.to_dict() == config_of(settings).to_dict()


def test_a_small_model_for_other_patches_is_refused() -> None:
    with pytest.raises(UsageError, match="patches of 16 bases: choose 8 or 32"):
        HyenaGLTConfig.small(mean_patch=16)


def test_a_masked_size_reads_both_sides() -> None:
    shell = HyenaGLTConfig.base().shell
    assert HyenaGLTConfig.base("masked").shell == {**shell, "objective": "masked", "window": 3}


@pytest.mark.parametrize(
    ("family", "kind"),
    [("hyena_glt", HyenaGLTSettings), ("gryphon", GryphonSettings), ("transformer", TransformerSettings)],
)
def test_a_family_alone_is_a_model_file(tmp_path: Path, family: str, kind: type) -> None:
    (tmp_path / "m.yaml").write_text(f"family: {family}\n")
    assert read_model_file(tmp_path / "m.yaml") == kind()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("family: grifon\n", "family: 'grifon' is unknown; did you mean 'gryphon'?"),
        ("family: hyena\n", "family: 'hyena' is unknown; did you mean 'hyena_glt'?"),
        ("family: [gryphon]\n", "is unknown"),
        ("family: 3\n", "family: 3 is unknown"),
        ("shell: {}\n", "family: None is unknown; choose hyena_glt or gryphon or transformer or cnn"),
        ("- gryphon\n", "family: None is unknown"),
        ("", "family: None is unknown"),
        ("family: gryphon\nbackbone: {blok: 4}\n", "backbone.blok: unknown key; did you mean 'block'?"),
        ("family: gryphon\nbackbone: {order: 2}\n", "backbone.order: unknown key"),
        ("family: hyena_glt\nbackbone: {block: 2}\n", "backbone.block: unknown key"),
        ("family: gryphon\nshell: {objective: maskd}\n", "'maskd' is not one of"),
        ("family: hyena_glt\nshell: {kmers: [0]}\n", "k = 0 would be a table of 5**0 rows"),
        ("family: hyena_glt\nshell: {kmers: [3, 3]}\n", "k = 3 would be a table of 5**3 rows; give each k once"),
        ("family: hyena_glt\nshell: {kmers: [12]}\n", "k = 12 would be a table of 5**12 rows"),
        (
            "family: hyena_glt\nmerge: {first: 1}\n",
            "merge.first and merge.last are 1 and 0, which only merge",
        ),
        ("family: gryphon\nshell: {alphabet: aa}\nbackbone: {block: 0, state: 1}\nstrid: 8\n", "4 faults"),
    ],
)
def test_a_faulty_model_file_is_told_with_the_nearest_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        read_model_file(tmp_path / "m.yaml")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("width", "heads"), [(50, 4), (48, 16)])
def test_attention_heads_that_do_not_split_the_width_are_told(width: int, heads: int) -> None:
    config = CLASSES["genomelm_gryphon", "causal_lm"].config_class(shell={"width": width}, backbone={"heads": heads})
    with pytest.raises(UsageError, match=f"width of the patch states is {width}"):
        CLASSES["genomelm_gryphon", "causal_lm"](config)


def test_an_odd_state_is_told() -> None:
    config = CLASSES["genomelm_gryphon", "causal_lm"].config_class(backbone={"state": 7})
    with pytest.raises(UsageError, match="state is 7"):
        CLASSES["genomelm_gryphon", "causal_lm"](config)
