"""Which trips are made: out from one city to a second, and back from there.

Stated are how often each city is flown from and how often it is flown to, and the two differ, which they
could not if every trip returned to where it began. So the way back starts where the way out ended, but three
times in ten it ends in a third city, mostly one that is flown to more often than from; a quarter is the least
that the stated figures allow.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import product

# Per cent of all rows, in the order of network.CITIES; stated. They are rounded, and need not add up to 100.
FROM_SHARES = (12.6, 12.5, 12.5, 12.1, 12.2, 11.0, 11.0, 8.2, 8.0)
TO_SHARES = (21.0, 14.9, 14.0, 12.2, 12.1, 8.5, 8.5, 4.3, 4.3)

# How much likelier a return home is than one to any given other city, before the shares bend it.
_HOMING = 100.0
# After 400 rounds the shares are met to 3 in a million.
_ROUNDS = 400

# Places in network.CITIES: origin, destination, and where the way back ends.
Trip = tuple[int, int, int]


@cache
def trip_shares() -> dict[Trip, float]:
    """Return the probability of each trip; they add up to 1.

    Found by iterative scaling (Darroch and Ratcliff 1972): of all ways to meet FROM_SHARES and TO_SHARES, the
    one nearest to "they mostly fly home".
    """
    cities = range(len(FROM_SHARES))
    trips = [(a, b, c) for a, b, c in product(cities, repeat=3) if b not in {a, c}]
    shares = {(a, b, c): _HOMING if a == c else 1.0 for a, b, c in trips}
    for _ in range(_ROUNDS):
        shares = _scaled(shares)
    total = sum(shares.values())
    return {trip: share / total for trip, share in shares.items()}


def leg_shares() -> dict[tuple[int, int], float]:
    """Return the share of all flights that goes from one city to another; they add up to 1."""
    legs: dict[tuple[int, int], float] = defaultdict(float)
    for (origin, destination, end), share in trip_shares().items():
        legs[origin, destination] += share / 2
        legs[destination, end] += share / 2
    return dict(legs)


def _scaled(shares: dict[Trip, float]) -> dict[Trip, float]:
    """Return `shares` one round nearer to the stated ones; they need not add up to anything."""
    flown_from, flown_to = [0.0] * len(FROM_SHARES), [0.0] * len(TO_SHARES)
    for (origin, destination, end), share in shares.items():
        flown_from[origin] += share
        flown_from[destination] += share
        flown_to[destination] += share
        flown_to[end] += share
    wanted_from = [stated / found for stated, found in zip(_parts(FROM_SHARES), _parts(flown_from), strict=True)]
    wanted_to = [stated / found for stated, found in zip(_parts(TO_SHARES), _parts(flown_to), strict=True)]
    return {
        (a, b, c): share * (wanted_from[a] * wanted_from[b] * wanted_to[b] * wanted_to[c]) ** 0.25
        for (a, b, c), share in shares.items()
    }


def _parts(amounts: Sequence[float]) -> list[float]:
    """Return each amount as its part of the whole."""
    return [amount / sum(amounts) for amount in amounts]
