"""Archives: what is in them arrives whole inside the folder, and what would leave it, or fill the disk, is refused."""

import io
import os
import stat
import tarfile
import zipfile

import pytest

from genomelm.data import archive as archive_module
from genomelm.data.archive import check_archive, take, unpack
from genomelm.errors import InputError, IntegrityError, ResourceError, UsageError

FILES = {"set/a.csv": b"x,y\n1,2\n", "set/deep/b.csv": b"", "readme.txt": b"hello"}


def make_zip(path, files, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path, files, mode="w:gz", **changes):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for key, value in changes.items():
                setattr(entry, key, value)
            archive.addfile(entry, io.BytesIO(content))
    return path


MAKERS = {
    "zip": make_zip,
    "tar": lambda path, files: make_tar(path, files, "w"),
    "tgz": make_tar,
    "txz": lambda path, files: make_tar(path, files, "w:xz"),
}
each_form = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@each_form
def test_all_files_arrive_with_their_bytes(tmp_path, make):
    written = unpack(make(tmp_path / "x", FILES), tmp_path / "out")
    assert tree(tmp_path / "out") == FILES
    assert sorted(written) == sorted(tmp_path / "out" / name for name in FILES)


def test_tar_s_own_dots_and_folders_are_no_fault(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name in (".", "./set"):
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        entry = tarfile.TarInfo("./set/a")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"1"))
    unpack(tmp_path / "x.tar", tmp_path / "out")
    assert tree(tmp_path / "out") == {"set/a": b"1"}


@each_form
@pytest.mark.parametrize(
    "name", ["../out.txt", "a/../../out.txt", "/etc/out.txt", "a/./b", "a\\..\\b", "C:/x", "a//b", "x" * 300]
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, make, name):
    (tmp_path / "in").mkdir()
    archive = make(tmp_path / "in" / "x", {"good": b"1", name: b"2"})
    with pytest.raises(IntegrityError, match="refused") as caught:
        unpack(archive, tmp_path / "in" / "out")
    assert caught.value.exit_code == 6
    assert os.listdir(tmp_path) == ["in"]
    assert os.listdir(tmp_path / "in") == ["x"]


@pytest.mark.parametrize("kind", ["SYMTYPE", "LNKTYPE", "FIFOTYPE", "CHRTYPE", "BLKTYPE"])
def test_links_and_devices_of_a_tar_are_refused(tmp_path, kind):
    entry = {"type": getattr(tarfile, kind), "linkname": "/etc/passwd"}
    with pytest.raises(IntegrityError, match="link or no file"):
        unpack(make_tar(tmp_path / "x", {"a": b""}, **entry), tmp_path / "out")
    assert os.listdir(tmp_path) == ["x"]


def test_links_of_a_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        entry = zipfile.ZipInfo("a")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(IntegrityError, match="link or no file"):
        unpack(tmp_path / "x", tmp_path / "out")


def test_names_that_meet_are_refused(tmp_path):
    with pytest.raises(IntegrityError, match="a file and as a folder"):
        check_archive(make_tar(tmp_path / "x", {"a": b"1", "a/b": b"2"}))
    with zipfile.ZipFile(tmp_path / "y", "w") as archive:
        archive.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", "2")
    with pytest.raises(IntegrityError, match="twice"):
        check_archive(tmp_path / "y")


@pytest.mark.parametrize("form", ["zip", "tgz"])
def test_a_bomb_is_refused_before_it_is_written(tmp_path, monkeypatch, form):
    monkeypatch.setattr(archive_module, "ALWAYS", 1000)
    files = {"a": bytes(4_000_000)}
    path = tmp_path / "x"
    archive = make_zip(path, files, compression=zipfile.ZIP_DEFLATED) if form == "zip" else make_tar(path, files)
    with pytest.raises(IntegrityError, match="bomb"):
        unpack(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == ["x"]


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "MOST_MEMBERS", 10)
    with pytest.raises(IntegrityError, match="bomb"):
        check_archive(make_tar(tmp_path / "x", {f"f{n}": b"" for n in range(11)}))


def test_a_size_that_lies_is_seen_while_writing(tmp_path):
    path = make_zip(tmp_path / "x", {"a": bytes(3000)}, compression=zipfile.ZIP_DEFLATED)
    raw = path.read_bytes()
    path.write_bytes(raw.replace((3000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises((InputError, IntegrityError)):
        unpack(path, tmp_path / "out")
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("form", ["zip", "tgz"])
def test_a_damaged_archive_leaves_nothing(tmp_path, form):
    content = bytes(os.urandom(20_000))
    path = MAKERS[form](tmp_path / "x", {"a": content})
    raw = bytearray(path.read_bytes())
    raw[10_000] ^= 0xFF
    path.write_bytes(raw if form == "zip" else raw[:10_000])
    with pytest.raises(InputError, match="damaged"):
        unpack(path, tmp_path / "out")
    assert os.listdir(tmp_path) == ["x"]


def test_what_is_no_archive_is_told(tmp_path):
    (tmp_path / "x").write_bytes(b"<html>no</html>")
    with pytest.raises(InputError, match="neither a tar nor a zip"):
        unpack(tmp_path / "x", tmp_path / "out")


def test_a_folder_with_other_files_is_not_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    with pytest.raises(UsageError, match="other files"):
        unpack(make_zip(tmp_path / "x", FILES), tmp_path / "out")
    assert tree(tmp_path / "out") == {"mine": b"precious"}


def test_a_full_disk_is_told_before(tmp_path, monkeypatch):
    from genomelm.data import download

    class Usage:
        free = 3

    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(ResourceError, match="3 are free"):
        unpack(make_zip(tmp_path / "x", FILES), tmp_path / "out")


@each_form
def test_one_member_is_taken_by_its_path_or_the_end_of_it(tmp_path, make):
    archive = make(tmp_path / "x", FILES)
    for path in ("set/a.csv", "a.csv"):
        take(archive, path, tmp_path / "got.csv")
        assert (tmp_path / "got.csv").read_bytes() == FILES["set/a.csv"]
    with pytest.raises(InputError, match="no member called c.csv"):
        take(archive, "c.csv", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_two_members_of_one_end_are_told(tmp_path):
    with pytest.raises(InputError, match="2 members called a"):
        take(make_zip(tmp_path / "x", {"p/a": b"1", "q/a": b"2"}), "a", tmp_path / "got")


@pytest.mark.parametrize("way", [lambda x, out: unpack(x, out), lambda x, out: take(x, "a.csv", out)])
def test_a_compression_that_is_not_known_is_told_and_writes_nothing(tmp_path, way):
    raw = bytearray(make_zip(tmp_path / "x.zip", {"a.csv": b"1"}).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):  # where headers name the method
        at = raw.index(signature) + offset
        raw[at : at + 2] = (9).to_bytes(2, "little")  # deflate64
    (tmp_path / "x.zip").write_bytes(raw)
    with pytest.raises(InputError, match="packed in a way that Python cannot read") as caught:
        way(tmp_path / "x.zip", tmp_path / "out")
    assert caught.value.exit_code == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.zip"]
