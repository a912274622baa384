"""Progress of a transfer: rate and time left in log lines where there is no terminal."""

from genomelm.data import progress


def test_log_lines_tell_bytes_rate_and_time_left(monkeypatch, caplog):
    clock = iter([0.0, 0.0, 20.0, 25.0, 40.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with caplog.at_level("INFO"), progress.transfer("x.gz") as report:
        report(10_000_000, 100_000_000)  # an earlier run brought these
        report(50_000_000, 100_000_000)
        report(60_000_000, 100_000_000)  # too soon for another line
        report(90_000_000, None)
    assert [record.getMessage() for record in caplog.records] == [
        "x.gz: 50.0 of 100.0 MB, 25 s left, 2.0 MB/s",
        "x.gz: 90.0 MB, 2.0 MB/s",
    ]


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with progress.transfer("x.gz") as report:
        report(5, 10)
    assert not capsys.readouterr().out
