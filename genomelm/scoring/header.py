"""The output's header: the input's lines in order, then what is missing, then what we add."""

import re
from collections.abc import Iterable, Mapping, Sequence

from genomelm.scoring.shard import KIND
from genomelm.scoring.tags import Tags, quoted
from genomelm.seq.vcf import Header, parse_header_line, raw_of

_CONTIG = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")


def output_header(
    header: Header,
    tags: Tags,
    replaced: frozenset[bytes],
    contigs: Mapping[str, int | None],
    descriptions: Sequence[str],
    provenance: Mapping[str, object],
    percentile: bool = False,
    statement: bytes | None = None,
    outputs: Sequence[str] = (),
) -> bytes:
    """Return the whole header of the output.

    Args:
        header: of the input; its lines are kept as bytes, save the definitions in `replaced` and our own old line.
        tags: the tags of this run.
        replaced: tags whose definitions are written anew.
        contigs: contigs that the records name but the header does not, with their lengths where known.
        descriptions: text for the definition of each score.
        provenance: version, command, model, patching and reference facts; plain values only are shown.
        percentile: whether percentiles are written.
        statement: a shard's line about itself.
        outputs: names of the scores, as the model has them, where it has several.
    """
    kept = [line for line in header.lines if not _outdated(line, tags, replaced)]
    missing = [_contig_line(name, length) for name, length in contigs.items() if _CONTIG.fullmatch(name)]
    definitions = tags.definitions(descriptions, str(provenance.get("genomelm", "")), percentile)
    named = zip(tags.scores, outputs or [None], strict=True)
    lines = [_provenance_line(tag, output, provenance) for tag, output in named]
    added = [*missing, *definitions, *lines, *([statement] if statement else [])]
    return b"".join([*kept, *(line + header.line_end for line in added), header.columns])


def without_statement(header: Header) -> bytes:
    """Return the whole header of a shard as that of the joined file."""
    kept = [line for line in header.lines if not line.startswith(f"##{KIND}=".encode())]
    return b"".join([*kept, header.columns])


def _outdated(line: bytes, tags: Tags, replaced: Iterable[bytes]) -> bool:
    parsed = parse_header_line(line)
    if parsed is None:
        return False
    name = parsed.fields.get("ID", "")
    return (parsed.kind == "INFO" and raw_of(name) in replaced) or (
        parsed.kind == KIND or (parsed.kind == "genomelm" and name in tags.scores)
    )


def _contig_line(name: str, length: int | None) -> bytes:
    return b"##contig=<ID=" + raw_of(name) + (f",length={length}>".encode() if length is not None else b">")


def _provenance_line(tag: str, output: str | None, provenance: Mapping[str, object]) -> bytes:
    """One structured line a score tag, so that a file annotated by several models keeps all of them.

    The date stays out: two runs of one command give the same bytes.
    """
    names = {"genomelm": "Version"}
    given = {} if output is None else {"output": output}
    facts = [
        f'{names.get(key, key[:1].upper() + key[1:])}="{quoted(str(value))}"'
        for key, value in {**given, **provenance}.items()
        if key != "date" and isinstance(value, str | int | float | bool) and re.fullmatch(r"[A-Za-z_]\w*", key)
    ]
    return f"##genomelm=<{','.join([f'ID={tag}', *facts])}>".encode("utf-8", "surrogateescape")
