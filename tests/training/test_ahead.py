"""Data made ahead in a thread: in the same order, a bounded number of them, and errors where they belong."""

import threading
import time

import pytest

from genomelm.training.ahead import Ahead


@pytest.mark.parametrize("count", [0, 1, 3])
def test_steps_come_in_order_whatever_the_thread_does(count) -> None:
    made = []

    def make(step):
        made.append((step, threading.current_thread() is threading.main_thread()))
        return step

    with Ahead(make, count, 5, 12) as ahead:
        assert [ahead.take() for _ in range(7)] == list(range(5, 12))
    assert made == [(step, count == 0) for step in range(5, 12)]


def test_no_more_is_made_than_asked_for() -> None:
    made = []
    with Ahead(made.append, 2, 0, 100) as ahead:
        for taken in range(1, 6):
            ahead.take()
            time.sleep(0.02)
            assert taken <= len(made) <= taken + 2


def test_an_error_is_raised_at_its_own_step() -> None:
    def make(step):
        if step == 2:
            raise ValueError("row 7 is broken")
        return step

    with Ahead(make, 3, 0, 10) as ahead:
        assert [ahead.take(), ahead.take()] == [0, 1]
        with pytest.raises(ValueError, match="row 7"):
            ahead.take()


def test_going_back_makes_the_steps_again() -> None:
    with Ahead(lambda step: step, 2, 0, 10) as ahead:
        assert [ahead.take() for _ in range(4)] == [0, 1, 2, 3]
        ahead.back_to(1)
        assert [ahead.take() for _ in range(9)] == list(range(1, 10))


def test_nothing_is_made_while_the_lock_is_held_and_no_thread_is_left() -> None:
    before, made = threading.active_count(), []
    with Ahead(made.append, 2, 0, 10) as ahead:
        ahead.take()
        with ahead.making:
            count = len(made)
            time.sleep(0.05)
            assert len(made) == count
        ahead.take()
    assert threading.active_count() == before


def test_an_interrupt_ends_the_thread_too() -> None:
    before = threading.active_count()

    def interrupted():
        with Ahead(lambda step: step, 2, 0, 10) as ahead:
            ahead.take()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert threading.active_count() == before


@pytest.mark.parametrize("count", [0, 2])
def test_waiting_is_measured(count) -> None:
    with Ahead(lambda _step: time.sleep(0.03), count, 0, 4) as ahead:
        for _ in range(4):
            ahead.take()
        assert 0.1 < ahead.waited < 1
    with Ahead(lambda _step: time.sleep(0.05), 2, 0, 10) as ahead:
        for _ in range(10):
            ahead.take()
            time.sleep(0.1)
        assert ahead.waited < 0.3  # 0.5 without a thread
