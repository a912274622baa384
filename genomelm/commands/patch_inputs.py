"""What `genomelm patch` reads: the genome, regions, score source, forced starts and annotation, checked together."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.files import sha256
from genomelm.patching.breaks import Breaks
from genomelm.patching.config import PatcherConfig
from genomelm.patching.enrichment import Places, bed_class, gff_classes, repeat_class
from genomelm.patching.frames import codon_breaks
from genomelm.patching.given import given_breaks
from genomelm.patching.modes import edges_of, mark
from genomelm.patching.optimal import ANCHOR, anchors, value_of
from genomelm.patching.parameters import PARAMETERS
from genomelm.patching.patcher import Patcher
from genomelm.patching.runs import contig_breaks, known_letters
from genomelm.patching.sources import ByteSource, PlaceSource
from genomelm.patching.store import PatchStore
from genomelm.patching.track_source import TrackSource
from genomelm.seq.alphabet import check_letters, encode
from genomelm.seq.annotation import Feature, read_gff
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval, check_apart
from genomelm.seq.track import Track

PIECE = 1 << 22
LOSS_BASES = 1 << 22
"""Bases of the training region on which the cut optimum is compared with the uncut one."""


class Inputs:
    """The opened inputs of one run; a context manager."""

    def __init__(
        self,
        fasta: Path,
        config: PatcherConfig,
        files: dict[str, Path | None],
        regions: tuple[Sequence[str], Sequence[str]],
        missing: str,
        device: str,
    ) -> None:
        """Open and check everything that does not need a pass over the genome.

        Args:
            fasta: the genome.
            config: of the patcher to make.
            files: paths or None of codon_frame, track, byte_lm, given and fitted.
            regions: training and test intervals, as text.
            missing: what a base without a value on the track gets.
            device: where a neural source runs.
        """
        self.config, self._files, self._device = config, files, device
        self.training, self.testing = ([Interval.parse(text) for text in texts] for texts in regions)
        check_apart(self.testing, self.training)
        self._check_options()
        self.genome = Genome(fasta, any_letters=config.alphabet == "protein")
        self._track: Track | None = None
        if not any(self.genome.contigs.values()):
            raise InputError(f"{fasta} holds no bases: is the file complete?")
        try:
            if config.alphabet != "dna":
                for contig in self.genome.contigs:
                    check_letters(self.pieces(contig), config.alphabet, f"{fasta} {contig}")
            for region in (*self.training, *self.testing):
                self.genome.fetch(dataclasses.replace(region, start=max(region.start, region.end - 1)))
            self._source = self._open_source(missing)
            self._frames = self._codon_frames()
            self._given = given_breaks(files["given"], self.genome.contigs) if files["given"] else {}
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Inputs":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the genome and the track."""
        self.genome.close()
        if self._track is not None:
            self._track.close()

    def fetch(self, contig: str, start: int, end: int) -> np.ndarray:
        """Return ids of bases [start, end)."""
        return encode(self.genome.fetch(Interval(contig, start, end)), self.config.alphabet)

    def _compact(self, region: Interval) -> np.ndarray:
        """Return the ids of a whole region as uint8: a chromosome's would fill the memory as int64."""
        ids = np.empty(len(region), np.uint8)
        for start in range(0, len(region), PIECE):
            end = min(start + PIECE, len(region))
            ids[start:end] = self.fetch(region.contig, region.start + start, region.start + end)
        return ids

    def pieces(self, contig: str) -> Iterator[str]:
        """Yield a contig's text."""
        length = self.genome.contigs[contig]
        for start in range(0, length, PIECE):
            yield self.genome.fetch(Interval(contig, start, min(start + PIECE, length)))

    def breaks(self, contig: str) -> Breaks:
        """Return the forced starts of a contig."""
        parts = [self._frames.get(contig, Breaks.none()), self._given.get(contig, Breaks.none())]
        if self.config.isolate:
            parts.append(
                contig_breaks(self.pieces(contig), self.config.isolate, self.config.edges, self.config.alphabet)
            )
        return Breaks.merged(*parts)

    def facts(self, patcher: Patcher) -> dict:
        """Return what the store's header says of the genome, and whether the scores were fitted on it."""
        fitted = self._files["fitted"]
        ours = fitted is None or PatchStore(fitted / "store").facts.get("genome_sha256") == self.genome.digest
        return {"genome": self.genome.path.name, "genome_sha256": self.genome.digest, "fitted_on_it": ours}

    def patcher(self, mean: float) -> Patcher:
        """Return the patcher: one that was fitted before, or a new one for a mean length.

        Raises:
            UsageError: no training region where one is needed, or a fitted patcher that belongs to its own genome.
            InputError: no threshold gives that mean.
        """
        if self._files["fitted"] is not None:
            return self._fitted(self._files["fitted"])
        side = {}
        if self._files["codon_frame"] is not None:
            side["annotation"] = sha256(self._files["codon_frame"])
        if self._files["given"] is not None:
            return Patcher(self.config, side={"given": sha256(self._files["given"])})
        if self.config.needs_scores and not self.training:
            raise UsageError(f"mode {self.config.mode} is calibrated on training bases: give --train-region C:a-b")
        forced = bool(side or self.config.isolate)
        fitted = Patcher.fit(
            self.config,
            lambda: map(self._compact, self.training),
            mean,
            tuple(map(str, self.training)),
            self._source,
            self.training,
            {region.contig: self.breaks(region.contig) for region in self.training} if forced else None,
        )
        return Patcher(fitted.config, fitted.source, side)

    def counted(self, patcher: Patcher, contig: str, start: int, end: int) -> np.ndarray | None:
        """Return which of bases [start, end) `Patcher.fit` counts in the mean, bool (l,); None for all."""
        config = patcher.config
        if not config.needs_scores or config.source == "track" or config.isolate or patcher.side:
            return None
        return known_letters(self.fetch(contig, start, end), config.alphabet)

    def measure(self, patcher: Patcher) -> dict | None:
        """Return the score source's facts and its bits per base on the test regions; None where it predicts nothing."""
        source = patcher.source
        if source is None or not hasattr(source, "bits_per_base"):
            return None
        measured = [source.bits_per_base(self._compact(region)) for region in self.testing]
        bases = sum(count for _, count in measured)
        return {
            "kind": source.kind,
            "reach": source.reach,
            "digest": source.digest,
            "training_regions": list(source.training),
            "test_regions": list(map(str, self.testing)),
            "test_bases": bases,
            "bits_per_base": sum(bits * count for bits, count in measured) / bases if bases else None,
        }

    def classes(self, annotation: Sequence[Path]) -> dict[str, Places]:
        """Return the features of annotation files by class, and the edges of lower-case runs where there are any."""
        found: dict[str, Places] = {}
        for path in annotation:
            if _is_gff(path):
                found |= gff_classes(self._renamed(path))
            else:
                places = {self.genome.resolve(contig): edges for contig, edges in bed_class(path).items()}
                places.pop(None, None)
                if not places:
                    raise InputError(f"{path} has no contig of {self.genome.path}: is it of another assembly?")
                found[path.name.split(".")[0]] = places
        repeats = {contig: repeat_class(self.pieces(contig)) for contig in self.genome.contigs}
        if any(map(len, repeats.values())) and self.config.alphabet != "protein":
            found["lower-case runs"] = repeats
        return found

    def anchor_loss(self, patcher: Patcher) -> dict | None:
        """Return what cutting at anchors costs the optimum on the first training region; None for other modes."""
        if self.config.mode != "optimal" or not self.training:
            return None
        region = self.training[0]
        end = min(region.end, region.start + LOSS_BASES)
        if self.config.source == "track":
            codes = patcher.scale.encode(patcher.source.scores_at(region.contig, region.start, end))[:-1]
        else:
            codes = patcher.codes(self.fetch(region.contig, region.start, end))[:-1]
        symmetric = self.config.symmetric
        cut = edges_of(Breaks.unframed(anchors(len(codes), symmetric)), 0, len(codes), patcher.rule.unit)
        values = [
            value_of(codes, patcher.rule, np.flatnonzero(mark(codes, patcher.rule, edges=edges)[0]))
            for edges in (cut, edges_of(Breaks.none(), 0, 0, 1))
        ]
        lost = values[1] - values[0]
        share = lost / values[1] if values[1] else None
        return {"bases": len(codes), "anchor": ANCHOR, "lost": lost * patcher.scale.step, "share": share}

    def _check_options(self) -> None:
        files, config = self._files, self.config
        self._check_limits()
        wanted = {"track": "track", "neural": "byte_lm"}.get(config.source)
        if config.needs_scores and wanted and files[wanted] is None and files["fitted"] is None:
            raise UsageError(f"--source {config.source} needs --{wanted.replace('_', '-')}")
        for name, source in (("track", "track"), ("byte_lm", "neural")):
            if files[name] is not None and (config.source != source or not config.needs_scores):
                raise UsageError(
                    f"--{name.replace('_', '-')} is for a mode that reads scores, with --source {source}; "
                    f"these are mode {config.mode} and --source {config.source}"
                )
        if files["codon_frame"] is not None and config.unit % 3:
            raise UsageError(
                "--codon-frame needs patches of whole codons: mode length_constrained or optimal with --multiple 3, "
                f"or fixed_stride with --mean 3 (6, ...), not mode {config.mode} in units of {config.unit}"
            )

    def _check_limits(self) -> None:
        """Refuse what would be left unread: options of other modes, any beside patches that are taken as they are."""
        files, config = self._files, self.config
        plain = PatcherConfig(alphabet=config.alphabet, both_strands=config.both_strands)
        changed = {field.name for field in dataclasses.fields(config)} - {"stride"}
        changed = {name for name in changed if getattr(config, name) != getattr(plain, name)}
        taken = next((name for name in ("given", "fitted") if files[name] is not None), None)
        if taken:
            others = sorted(changed - {"mode"} if taken == "given" else changed)
            others += [name for name in sorted(files) if name != taken and files[name] is not None]
            if others:
                raise UsageError(
                    f"--{taken} takes patches as they are, so {', '.join(others)} says nothing: leave it out"
                )
            return
        limits = {"min", "max", "multiple", "delta", "alpha", "target"}
        if unread := sorted(changed & limits - set(PARAMETERS[config.mode])):
            raise UsageError(
                f"mode {config.mode} does not read {', '.join(unread)}: leave it out, or choose another mode"
            )

    def _open_source(self, missing: str) -> ByteSource | PlaceSource | None:
        if self._files["track"] is not None:
            self._track = Track(self._files["track"], self.genome.contigs)
            return TrackSource(self._track, missing)
        return self._neural(self._files["byte_lm"]) if self._files["byte_lm"] is not None else None

    def _neural(self, folder: Path) -> ByteSource:
        from genomelm.models.byte_lm import ByteLM
        from genomelm.runtime import choose_device

        return ByteLM.load(folder, choose_device(self._device, False))

    def _fitted(self, folder: Path) -> Patcher:
        if not folder.is_dir():
            raise UsageError(f"--fitted {folder} does not exist: give a folder that `genomelm patch` wrote")
        patcher = Patcher.load(folder / "patcher", self._neural)
        if patcher.placed:
            raise UsageError(f"the patches of {folder} belong to coordinates of their own genome: fit new ones")
        if patcher.config.alphabet != self.config.alphabet:
            raise UsageError(f"the patches of {folder} are of {patcher.config.alphabet}: set --alphabet")
        if self.facts(patcher)["fitted_on_it"]:
            check_apart(self.testing, map(Interval.parse, patcher.training), "the training region of --fitted")
        self.config = patcher.config
        return patcher

    def _codon_frames(self) -> dict[str, Breaks]:
        path = self._files["codon_frame"]
        return {} if path is None else codon_breaks(self._renamed(path), self.config.unit)

    def _renamed(self, path: Path) -> list[Feature]:
        """Return the features on contigs of the genome, under the genome's names."""
        found = []
        for feature in read_gff(path):
            contig = self.genome.resolve(feature.contig)
            if contig is not None:
                found.append(dataclasses.replace(feature, contig=contig))
        if not found:
            raise InputError(f"{path} has no feature on a contig of {self.genome.path}: is it of another assembly?")
        return found


def _is_gff(path: Path) -> bool:
    return any(suffix.lower() in (".gff", ".gff3", ".gtf") for suffix in path.suffixes)
