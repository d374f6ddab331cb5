"""The lease: nonces, their echoes, and what their age allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.lease import NONCE_INTERVAL_US, Lease, echo, issue

S = 1_000_000
OPENED = 10 * S


def random(n: int) -> bytes:
    return n.to_bytes(16, "big")


def opened(lease_us: int = 2 * S, nonces: int = 0) -> tuple[Lease, list[str]]:
    """A lease with nonces that were issued each 250 ms."""
    lease, made = Lease(lease_us, OPENED), []
    for n in range(nonces):
        lease, nonce = issue(lease, random(n), OPENED + n * NONCE_INTERVAL_US)
        made.append(nonce)
    return lease, made


def test_a_nonce_each_quarter_of_a_second() -> None:
    lease, _ = opened()
    assert lease.due_us(OPENED) == OPENED
    lease, nonce = issue(lease, random(7), OPENED + 5)
    assert nonce == "00" * 15 + "07"
    assert lease.due_us(OPENED + 9) == OPENED + 5 + 250_000


@pytest.mark.parametrize("data", [b"", bytes(15), random(0), random(1)])
def test_bytes_that_are_not_fresh(data: bytes) -> None:
    lease, _ = opened(nonces=2)
    with pytest.raises(ValueError, match="fresh"):
        issue(lease, data, OPENED + S)


@pytest.mark.req("SR-146")
def test_nothing_may_rise_before_the_first_echo() -> None:
    lease, (nonce,) = opened(nonces=1)
    assert not lease.increase_allowed(OPENED)
    lease, renewed = echo(lease, nonce, OPENED + 1)
    assert renewed
    assert lease.increase_allowed(OPENED + 1)


@pytest.mark.req("SR-146")
def test_nothing_may_rise_after_a_second_and_the_lease_ends_by_itself() -> None:
    lease, nonces = opened(nonces=2)
    lease, _ = echo(lease, nonces[1], OPENED + 300_000)
    since = OPENED + 250_000  # when that nonce was issued
    assert lease.age_us(since + 7) == 7
    assert lease.increase_allowed(since + S)
    assert not lease.increase_allowed(since + S + 1)
    assert not lease.over(since + 2 * S)
    assert lease.over(since + 2 * S + 1)


def test_a_lease_that_nobody_ever_took_ends_too() -> None:
    lease, _ = opened()
    assert not lease.over(OPENED + 2 * S)
    assert lease.over(OPENED + 2 * S + 1)


def test_each_nonce_counts_once() -> None:
    lease, (nonce,) = opened(nonces=1)
    lease, renewed = echo(lease, nonce, OPENED + 1)
    assert renewed
    assert echo(lease, nonce, OPENED + 2) == (lease, False)


def test_one_of_the_last_few_counts_from_when_it_was_issued() -> None:
    lease, nonces = opened(nonces=6)
    now = OPENED + 1_300_000
    lease, renewed = echo(lease, nonces[3], now)
    assert renewed
    assert lease.age_us(now) == 550_000
    for late in nonces[:4]:  # older than what was echoed
        assert echo(lease, late, now) == (lease, False)
    lease, renewed = echo(lease, nonces[5], now)
    assert renewed
    assert lease.age_us(now) == 50_000


def test_a_nonce_that_is_older_than_the_lease_renews_nothing() -> None:
    lease, nonces = opened(nonces=1)
    assert echo(lease, nonces[0], OPENED + 2 * S)[1]
    assert echo(lease, nonces[0], OPENED + 2 * S + 1) == (lease, False)


@pytest.mark.parametrize("nonce", ["", "00", "ff" * 16, None, 5, True, [], {"a": 1}, b"00", "00" * 15 + "00 "])
def test_what_is_no_nonce(nonce: object) -> None:
    lease, _ = opened(nonces=3)
    assert echo(lease, nonce, OPENED + S) == (lease, False)


def test_it_does_not_grow() -> None:
    lease, _ = opened(5 * S, 200)
    assert len(lease.issued) == 21
    assert lease.issued[0][1] == lease.last_us - 5 * S if lease.last_us else False


@given(
    st.integers(S, 5 * S),
    st.lists(st.tuples(st.integers(0, 400_000), st.sampled_from("ie"), st.integers(0, 30)), max_size=60),
)
def test_a_lease_is_never_younger_than_the_newest_nonce_that_came_back(
    lease_us: int, story: list[tuple[int, str, int]]
) -> None:
    lease, now, made, newest = Lease(lease_us, OPENED), OPENED, [], OPENED
    for n, (step, what, which) in enumerate(story):
        now += step
        if what == "i":
            lease, nonce = issue(lease, random(n), now)
            made.append((nonce, now))
        elif which < len(made):
            nonce, at = made[-1 - which]
            before = lease
            lease, renewed = echo(lease, nonce, now)
            newest = max(newest, at) if renewed else newest
            assert renewed == (lease != before)
            assert not renewed or now - at <= lease_us
        assert lease.renewed_us == newest
        assert lease.over(now) == (now - newest > lease_us)
        assert not (lease.increase_allowed(now) and lease.over(now))
