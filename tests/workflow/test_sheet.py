"""Sample sheets: one row a piece of work, every fault with its line; score-only configs; the shipped schemas."""

import json

import jsonschema
import pytest

from genomelm.commands.workflow_checks import read_workflow_config
from genomelm.commands.workflow_schemas import FOLDER, schemas
from genomelm.commands.workflow_sheet import PARTS, read_sheet
from genomelm.errors import UsageError

HEADER = ("work", "name", "model", "genome", "variants", "records", "interval")


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A config of one trained model and a sheet, and what writes the sheet's lines."""
    monkeypatch.chdir(tmp_path)
    for file in ("model/config.json", "model/model.safetensors", "a.fa", "b.fa", "own.vcf"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("")

    def make(*lines, header=HEADER, **more):
        rows = ["\t".join(header), *("\t".join(line) if isinstance(line, tuple) else line for line in lines)]
        (tmp_path / "sheet.tsv").write_text("\n".join(rows) + "\n")
        return {"results": "results", "models": {"mine": {"folder": "model"}}, "sheet": "sheet.tsv", **more}

    return make


def faults(config):
    with pytest.raises(UsageError) as caught:
        read_workflow_config(config)
    return str(caught.value).split("\n  ")[1:]


def test_rows_join_the_config_each_with_its_own_genome(config):
    wanted = config(
        "# two genomes",
        ("score", "first", "mine", "./a.fa", "./own.vcf", "7"),
        "",
        ("interpret", "place", "mine", "./b.fa", "", "", "c:1-9"),
        genome="./b.fa",
        scores={"other": {"model": "mine", "variants": "./own.vcf"}},
    )
    flow, manifest = read_workflow_config(wanted)
    assert set(flow.scores) == {"first", "other"}
    assert (flow.scores["first"].records, flow.scores["other"].records) == (7, None)
    assert [flow.genome_of(flow.scores[name]) for name in ("first", "other")] == ["./a.fa", "./b.fa"]
    assert flow.interpret["place"].interval == "c:1-9"
    assert (flow.data_names(), manifest.rows) == (set(), {})
    assert flow.data("./own.vcf") == "own.vcf"
    assert flow.folders("mine") == ["model"]


def test_rows_of_one_task_name_its_models(config):
    rows = [("train", "at", name, "", "task.yaml", "train.yaml", "./own.vcf", "1,2") for name in ("a", "b")]
    config(*rows, header=("work", "name", "model", "genome", "task", "train", "data", "seeds"))
    sheet = read_sheet("sheet.tsv")
    assert sheet.entries["tasks"]["at"]["models"] == ["a", "b"]
    assert sheet.entries["tasks"]["at"]["seeds"] == [1, 2]
    assert sheet.lines == {"tasks.at": [2, 3]}


def test_all_faults_of_a_sheet_are_told_at_once_with_their_lines(config):
    wanted = config(
        ("scroe", "a", "mine"),
        ("score", "", "mine", "./a.fa", "./own.vcf"),
        ("score", "b", "mine", "./a.fa", "./own.vcf", "many"),
        ("score", "c", "mine", "./a.fa", "./own.vcf", "", "c:1-9"),
        ("score", "d", "mine", "./a.fa", "./own.vcf"),
        ("score", "d", "mine", "./a.fa", "./own.vcf"),
        ("interpret", "e", "", "./a.fa", "", "", "c:1-9"),
        ("score", "f", "mine", "", "", "", "", "", "more"),
    )
    told = faults(wanted)
    for text in (
        "line 2: work 'scroe' is unknown; did you mean 'score'?",
        "line 3: name is empty",
        "line 4: records: 'many' is not of type 'integer'",
        "line 5: column 'interval' is not for work 'score'; empty its cell",
        "line 7: name 'd' is there already, in line 6",
        "line 8: config: 'model' is a required property",
        "line 9: 9 cells, and the header has 7",
    ):
        assert any(text in fault for fault in told), text
    assert len(told) == 7


def test_faults_of_meaning_in_a_row_have_its_line_too(config):
    wanted = config(
        ("score", "a", "mien", "./a.fa", "./own.vcf"),
        ("score", "b", "mine", "./absent.fa", "./own.vcf"),
        ("score", "c", "mine", "", "./own.vcf"),
    )
    told = faults(wanted)
    assert "sheet.tsv line 2: scores.a.model: 'mien' is unknown; did you mean 'mine'?" in told
    assert "sheet.tsv line 3: scores.b.genome: ./absent.fa does not exist" in told
    assert "sheet.tsv line 4: scores.c.genome: it needs a genome; name it here or in genome" in told
    assert len(told) == 3


def test_a_wrong_header_is_told_with_the_nearest_column(config):
    told = faults(config(header=("work", "name", "modle", "genome", "genome")))
    assert "sheet.tsv line 1: column 'model' is missing" in told
    assert "sheet.tsv line 1: column 'genome' appears twice" in told
    assert "sheet.tsv line 1: column 'modle' is unknown; did you mean 'model'?" in told


def test_a_row_does_not_hide_an_entry_of_the_config(config):
    entry = {"model": "mine", "genome": "./a.fa", "variants": "./own.vcf"}
    told = faults(config(("score", "a", "mine", "./a.fa", "./own.vcf"), scores={"a": entry}))
    assert told == ["sheet.tsv line 2: scores.a: the config has an entry of this name too"]


def test_faults_of_shape_in_a_sheet_and_unknown_keys_do_not_hide_faults_of_meaning(config):
    rows = [
        ("scroe", "a", "mine"),
        ("score", "b", "mine", "./absent.fa", "./own.vcf"),
        ("score", "c", "mine", "./a.fa", "./own.vcf"),
        ("score", "c", "mine", "./a.fa", "./own.vcf"),
    ]
    told = faults(config(*rows, sedes=[1], seeds=[1, 1]))
    assert told == [
        "sedes: unknown key; did you mean 'seeds'?",
        "sheet.tsv line 2: work 'scroe' is unknown; did you mean 'score'?",
        "sheet.tsv line 5: name 'c' is there already, in line 4",
        "seeds: a seed appears twice",
        "sheet.tsv line 3: scores.b.genome: ./absent.fa does not exist",
    ]


def test_a_sheet_that_is_absent_is_told_beside_other_faults(config):
    assert faults(config() | {"sheet": "gone.tsv", "seeds": []}) == [
        "sheet gone.tsv does not exist: a config's paths count from the directory where a command runs",
        "seeds: at least one is needed",
    ]


def test_large_weights_in_several_files_are_a_model_and_every_file_of_it_counts(config, tmp_path):
    (tmp_path / "model/model.safetensors").rename(tmp_path / "model/model-00001-of-00001.safetensors")
    names = ["model.safetensors.index.json", "patcher/count_model/counts.bin", "tokenizer.json", ".cache/note"]
    for name in names:
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).touch()
    flow, _ = read_workflow_config(config(("score", "a", "mine", "./a.fa", "./own.vcf")))
    files = ["config.json", "model-00001-of-00001.safetensors", *names[:-1]]
    assert flow.model_inputs("mine") == [f"model/{name}" for name in files]


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ({"folder": "absent"}, "models.mine.folder: absent holds no config.json and no model.safetensors"),
        ({"folder": "model", "patches": "x"}, "models.mine.patches: the model of a folder is trained already"),
        ({"folder": "model", "model": "m.yaml"}, "models.mine: give either model (a file) or folder"),
    ],
    ids=["absent", "patches", "both"],
)
def test_a_trained_model_is_a_folder_and_nothing_else(config, model, fault):
    (told, *rest) = faults(config(models={"mine": model}))
    assert told.startswith(fault)
    assert len(rest) == ("model" in model)  # the file that is not there


@pytest.mark.parametrize("text", ["./$(touch x).vcf", "./a b.vcf", "./a;b.vcf"])
def test_nothing_in_a_cell_reaches_a_shell(config, text):
    told = "\n".join(faults(config(("score", "a", "mine", "./a.fa", text))))
    assert "must be of letters, digits and" in told


def test_the_shipped_schemas_are_those_of_the_classes():
    for name, schema in schemas().items():
        assert json.loads((FOLDER / name).read_text()) == schema, "run python -m genomelm.commands.workflow_schemas"
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_schema_of_a_row_takes_what_the_reader_takes_and_refuses_the_rest():
    valid = jsonschema.Draft202012Validator(schemas()["sheet.schema.json"]).is_valid
    assert set(PARTS) == {"score", "interpret", "train"}
    assert valid({"work": "score", "name": "a", "model": "m", "variants": "./x.vcf", "records": 3})
    assert valid({"work": "train", "name": "a", "model": "m", "task": "t", "train": "t", "data": "d"})
    assert not valid({"work": "score", "name": "a", "model": "m", "interval": "c:1-2"})
    assert not valid({"work": "score", "model": "m"})
