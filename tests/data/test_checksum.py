"""Checksum files as publishers write them, and the table of digests that were pinned on first use."""

import json
import multiprocessing

import pytest

from genomelm.data.checksum import find_checksum, pin, read_pins
from genomelm.errors import InputError, IntegrityError, ResourceError

A, B, C = "a" * 32, "b" * 32, "c" * 64
HOST = "https://publisher.invalid/pub"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"{A}  other.gz\n{B}  x.fa.gz\n", ("md5", B)),  # md5sum, as UCSC and GENCODE write it
        (f"{A} *x.fa.gz\n", ("md5", A)),
        (f"{A}  ./sub/x.fa.gz\n", ("md5", A)),  # as NCBI writes it
        (f"MD5 (other.gz) = {A}\nSHA256 (x.fa.gz) = {C}\n", ("sha256", C)),
        (f"{C.upper()}\n", ("sha256", C)),
        (f"{A}  x.fa.gz\r\n{B}  y\r\n", ("md5", A)),
    ],
)
def test_lists_of_digests_are_read(text, wanted):
    assert find_checksum(text, f"{HOST}/x.fa.gz", f"{HOST}/md5sum.txt") == wanted


def test_a_file_of_one_digest_speaks_of_the_file_that_it_is_named_for():
    text = f"{A}  /net/build/clinvar_20250601.vcf.gz\n"  # the release's name, not the link's
    assert find_checksum(text, f"{HOST}/clinvar.vcf.gz", f"{HOST}/clinvar.vcf.gz.md5") == ("md5", A)
    with pytest.raises(InputError, match="holds no digest of clinvar.vcf.gz"):
        find_checksum(text, f"{HOST}/clinvar.vcf.gz", f"{HOST}/md5sums")


def test_of_one_name_in_several_folders_the_address_s_own_counts():
    text = f"{A}  ./parts/x.gz\n{B}  ./x.gz\n"
    assert find_checksum(text, f"{HOST}/parts/x.gz", "sums") == ("md5", A)
    with pytest.raises(InputError, match="2 different digests"):
        find_checksum(f"{A}  p/x.gz\n{B}  q/x.gz\n", f"{HOST}/x.gz", "sums")


def test_records_of_archives_are_read():
    record = {"id": 7, "files": [{"key": "y.zip", "checksum": f"md5:{A}"}, {"key": "x.zip", "checksum": f"md5:{B}"}]}
    address = f"{HOST}/files/x.zip?download=1"
    assert find_checksum(json.dumps(record), address, f"{HOST}/api/records/7") == ("md5", B)
    file = {"href": "/files/E1/@@download/x.bed.gz", "md5sum": A, "status": "released"}
    assert find_checksum(json.dumps(file), f"{HOST}/files/E1/@@download/x.bed.gz", "E1") == ("md5", A)
    with pytest.raises(InputError, match="holds no digest"):
        find_checksum('{"broken": ', f"{HOST}/x.zip", "record")


@pytest.mark.parametrize("text", ["", "<html></html>", f"{A}  b.bin\n{B}  c.bin\n", f"{'a' * 33}  a.bin\n"])
def test_a_checksum_file_without_the_name_is_refused(text):
    with pytest.raises(InputError, match="holds no digest of a.bin"):
        find_checksum(text, f"{HOST}/a.bin", "md5sums")


def test_the_first_pin_stays(tmp_path):
    lock = tmp_path / "lock.tsv"
    pin(lock, "b", C)
    pin(lock, "a", "1" * 64)
    pin(lock, "a", "1" * 64)
    assert read_pins(lock) == {"a": "1" * 64, "b": C}
    before = lock.read_bytes()
    assert before.startswith(b"name\tsha256")
    with pytest.raises(IntegrityError, match="was pinned in .* on first use"):
        pin(lock, "a", "2" * 64)
    assert lock.read_bytes() == before


def test_processes_that_pin_at_once_wait_for_each_other(tmp_path):
    lock = tmp_path / "lock.tsv"
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=pin, args=(lock, f"file{n}", C)) for n in range(6)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [other.exitcode for other in others] == [0] * 6
    assert read_pins(lock) == {f"file{n}": C for n in range(6)}


def test_a_table_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="copy the manifest"):
        pin(tmp_path / "file" / "lock.tsv", "a", C)
