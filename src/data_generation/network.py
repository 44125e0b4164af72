"""What a seed does not change: the cities, how far apart they are, and what a flight costs.

So files of different seeds agree on every price, and a model trained on one can be tried on another. Figures
called "stated" are the published ones of the original table; the others are this project's choice.
"""

import random
from bisect import bisect_right
from functools import cache
from itertools import accumulate, permutations, product

from src.data_generation.itinerary import leg_shares

CITIES = (
    "Florianopolis (SC)",
    "Aracaju (SE)",
    "Campo Grande (MS)",
    "Brasilia (DF)",
    "Recife (PE)",
    "Sao Paulo (SP)",
    "Natal (RN)",
    "Salvador (BH)",
    "Rio de Janeiro (RJ)",
)

# (flightType, agency), each sold equally often. Three first class ones out of seven are the stated 42.9 %,
# seven for each of 72 routes come near the stated 490 prices; that FlyingDrops has just one is our choice.
FARES = (
    *product(("firstClass", "premium", "economic"), ("Rainbow", "CloudFy")),
    ("firstClass", "FlyingDrops"),
)

# km from CITIES[row + 1] to each city before it. 806.48, 277.70 and 830.86 are stated, between which cities
# is not; the others are chosen to give the stated 33 times, from 0.44 to 2.44 h, 1.363 h on average.
_DISTANCES = (
    (652.22,),
    (645.14, 277.70),
    (478.44, 243.24, 317.14),
    (585.14, 169.84, 343.39, 188.30),
    (777.61, 303.12, 205.46, 416.74, 398.45),
    (414.97, 717.26, 594.08, 584.37, 701.38, 723.11),
    (940.62, 676.70, 482.11, 721.18, 755.37, 463.03, 716.82),
    (555.69, 891.12, 751.90, 763.51, 879.86, 830.86, 248.87, 806.48),
)

# km/h. Stated is "about 386"; only 384.95 to 385.55 rounds all three stated distances to their stated times.
SPEED = 385.4

# Stated: the smallest price, the quartiles, the largest.
_PRICE_QUARTILES = (301.51, 669.83, 898.04, 1214.82, 1754.17)
# How prices thin out towards both ends: these give the stated mean, 949.42, and standard deviation, 358.45.
_LOWER_TAIL, _UPPER_TAIL = 1.44, 1.42

_TYPE_FACTOR = {"economic": 0.70, "premium": 1.00, "firstClass": 1.28}
_AGENCY_FACTOR = {"Rainbow": 0.97, "CloudFy": 1.00, "FlyingDrops": 1.08}

# Pairs of cities whose prices are the same both ways: 2 pairs by 7 fares make 490 prices out of 504.
_SYMMETRIC_PAIRS = ({0, 1}, {2, 3})


def distance(origin: int, destination: int) -> float:
    """Return the km between two cities, given by their places in CITIES; the same both ways."""
    return _DISTANCES[max(origin, destination) - 1][min(origin, destination)]


def hours(origin: int, destination: int) -> float:
    """Return the duration of a flight in hours, to the hundredth as the raw file has it."""
    return round(distance(origin, destination) / SPEED, 2)


@cache
def prices() -> dict[tuple[int, int, int], float]:
    """Return the price of each (from, to, fare), places in CITIES and FARES, in the data's currency units.

    Dearer by distance, class and agency; over all flights they are spread as stated.
    """
    worth, legs = _worth(), leg_shares()
    shares = dict.fromkeys(sorted(worth.values()), 0.0)
    for (origin, destination, _), value in worth.items():
        shares[value] += legs[origin, destination] / len(FARES)
    # Where a value stands among all flights: in the middle of those that share it.
    middles = [top - share / 2 for top, share in zip(accumulate(shares.values()), shares.values(), strict=True)]
    first, last = middles[0], middles[-1]
    price = {v: _quantile((m - first) / (last - first)) for v, m in zip(shares, middles, strict=True)}
    return {key: price[value] for key, value in worth.items()}


def _worth() -> dict[tuple[int, int, int], float]:
    """Return what orders the prices, without a unit."""
    rng = random.Random("fares")  # noqa: S311 - invents data, keeps no secret
    worth: dict[tuple[int, int, int], float] = {}
    for origin, destination in permutations(range(len(CITIES)), 2):
        for fare, (flight_type, agency) in enumerate(FARES):
            level = (0.55 + distance(origin, destination) / 1000) * rng.uniform(0.96, 1.04)
            value = level * _TYPE_FACTOR[flight_type] * _AGENCY_FACTOR[agency]
            if {origin, destination} in _SYMMETRIC_PAIRS:
                value = worth.get((destination, origin, fare), value)
            worth[origin, destination, fare] = value
    return worth


def _quantile(share: float) -> float:
    """Return the price that `share` (0 to 1) of all flights do not exceed."""
    quarter = min(bisect_right((0.25, 0.5, 0.75), share), 3)
    low, high = _PRICE_QUARTILES[quarter : quarter + 2]
    within = share * 4 - quarter
    if quarter == 0:
        within = 1 - (1 - within) ** _LOWER_TAIL
    elif quarter == 3:  # noqa: PLR2004 - the last of the four
        within **= _UPPER_TAIL
    return round(low + within * (high - low), 2)
