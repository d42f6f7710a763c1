"""Work behind the steps that follow: begun in order, told of in order, waited for."""

import threading
from contextlib import closing

import pytest

from calcore.run.behind import Behind


def test_nothing_waits_and_all_is_told_of_in_order():
    free, told = threading.Event(), []

    def work(number):
        assert free.wait(20)
        return number, threading.current_thread()

    with closing(Behind(2)) as behind:
        for number in range(3):
            behind.begin(lambda number=number: work(number), told.append)
        assert not told
        free.set()
        behind.wait()
    assert [number for number, _ in told] == [0, 1, 2]
    threads = {thread for _, thread in told}
    assert len(threads) == 1
    assert threading.current_thread() not in threads


def test_with_one_thread_it_is_done_at_once():
    told = []
    with closing(Behind(1)) as behind:
        behind.begin(threading.current_thread, told.append)
        assert told == [threading.current_thread()]
        behind.wait()


@pytest.mark.parametrize("threads", [1, 2])
def test_what_follows_an_error_is_left(threads):
    told = []

    def broken():
        raise OSError("disk full")

    def do():
        with closing(Behind(threads)) as behind:
            for work in (lambda: 1, broken, lambda: 3):
                behind.begin(work, told.append)
            behind.wait()

    with pytest.raises(OSError, match="disk full"):
        do()
    assert told == [1]


def test_who_leaves_with_an_error_waits_for_what_runs_only():
    running, free, done = threading.Event(), threading.Event(), []

    def first():
        running.set()
        assert free.wait(20)
        done.append(1)

    def do():
        with closing(Behind(2)) as behind:
            behind.begin(first, done.append)
            behind.begin(lambda: done.append(2), done.append)
            assert running.wait(20)
            threading.Timer(0.05, free.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        do()
    assert done == [1]
