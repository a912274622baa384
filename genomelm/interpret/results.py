"""The files of one attribution run: arrays, elements, summary and parameters, each complete or absent."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from genomelm import files
from genomelm.interpret.sites import Site


def write(
    directory: str | Path,
    arrays: Mapping[str, np.ndarray],
    summary: Mapping,
    *,
    locus: Mapping,
    sites: Sequence[Site] = (),
    patch_starts: Sequence[int] = (),
    entropy: Sequence[float] | None = None,
    params: Mapping,
) -> None:
    """Write attributions.npz, elements.json, params.json and, last, summary.json.

    Args:
        arrays: one_hot, ism, ... (N, l, 4), as `locus.explain` returns them; stored as float32.
        summary: plain JSON, as `locus.explain` returns it.
        locus: name, interval (text), sequence (l,), unit of the score; copied into elements.json and the summary.
        patch_starts: the segmentation that the scores used. entropy: (l,) nats a byte, or None.
        params: settings and provenance (`files.provenance`).
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "summary.json").unlink(missing_ok=True)  # its presence says that the other files are of one run
    with files.atomic_path(directory / "attributions.npz") as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **{name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()})
    files.write_json(
        directory / "elements.json",
        {
            "locus": dict(locus),
            "elements": [
                {"name": s.name, "start": s.start, "end": s.end, "sequence": s.sequence, "note": s.note} for s in sites
            ],
            "patch_starts": [int(start) for start in patch_starts],
            "entropy_nats": None if entropy is None else [float(value) for value in entropy],
        },
    )
    files.write_json(directory / "params.json", dict(params))
    files.write_json(directory / "summary.json", {"locus": dict(locus), **summary})
