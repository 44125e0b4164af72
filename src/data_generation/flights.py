"""The raw flights table, drawn from a seed."""

import random
from collections.abc import Iterator
from datetime import date
from itertools import accumulate
from pathlib import Path

import polars as pl

from src.data_generation import network
from src.data_generation.itinerary import trip_shares
from src.shared.utils import atomic_path

# The first day of the original; how far it reaches is not known, so "just under four years" is our choice.
FIRST_DAY = date(2019, 9, 26)
_DAYS = 1400
# Our choices too: how long people stay, and how many trips a traveller makes on average.
_LONGEST_STAY = 4
_TRIPS_PER_USER = 100
# Trips that are drawn at once: how large a table may be does not depend on the memory.
_DRAWN_AT_ONCE = 200_000


def generate(rows: int, seed: int) -> pl.DataFrame:
    """Return `rows` flights, two for each trip, by the published facts of the original table.

    Columns: travelCode, userCode (both from 0), from, to, flightType, price (currency units), time (hours),
    distance (km), agency, date (YYYY-MM-DD). The same arguments give the same table on every machine. Trips
    are numbered by the day they start; the way back follows the way out.

    Raises ValueError if `rows` is not a positive even number.
    """
    return pl.concat(_pieces(rows, seed))


def write(path: Path, rows: int, seed: int) -> None:
    """Write the table atomically as comma-separated UTF-8 with a header, however long; see `generate`."""
    pieces = _pieces(rows, seed)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for piece in pieces:
            piece.write_csv(file, include_header=not file.tell(), float_precision=2)


def _pieces(rows: int, seed: int) -> Iterator[pl.DataFrame]:
    """Return the table in the order of its trips, in pieces that are made when they are asked for."""
    if rows <= 0 or rows % 2:
        raise ValueError(f"rows is {rows}, but a trip has two: it must be a positive even number")
    return (_described(_legs(trips)) for trips in _trips(rows // 2, seed))


def _legs(trips: pl.DataFrame) -> pl.DataFrame:
    """Return the way out and the way back of each trip."""
    out = trips.select("travelCode", "userCode", "fare", "day", origin="home", destination="away")
    back = trips.select(
        "travelCode", "userCode", "fare", pl.col("day") + pl.col("stay"), origin="away", destination="end"
    )
    return pl.concat([out, back]).sort("travelCode", maintain_order=True)


def _trips(count: int, seed: int) -> Iterator[pl.DataFrame]:
    """Draw `count` trips; home, away, end and fare are places in the network's tables, stay is in days.

    They start evenly over all days: each piece has its own part of these, as large as its part of the trips.
    """
    # Of all generators only this method's sequence is promised to stay the same from one Python to the next.
    draw = random.Random(seed).random  # noqa: S311 - invents data, keeps no secret
    users = count // _TRIPS_PER_USER + 1
    kinds = pl.DataFrame(list(trip_shares()), schema=["home", "away", "end"], orient="row")
    # The last is left out: what rounding leaves of the whole belongs to it.
    tops = pl.Series(list(accumulate(trip_shares().values()))[:-1])
    first_day = None
    for start in range(0, count, _DRAWN_AT_ONCE):
        size = min(_DRAWN_AT_ONCE, count - start)
        drawn = [pl.Series([draw() for _ in range(size)]) for _ in range(5)]
        day = ((start + drawn[0] * size) / count * _DAYS).cast(pl.Int64).sort()
        first_day = day[0] if first_day is None else first_day
        yield kinds[tops.search_sorted(drawn[1], side="right")].with_columns(
            travelCode=pl.int_range(start, start + size, dtype=pl.Int64, eager=True),
            userCode=(drawn[2] * users).cast(pl.Int64),
            fare=(drawn[3] * len(network.FARES)).cast(pl.Int64),
            stay=(drawn[4] * _LONGEST_STAY).cast(pl.Int64) + 1,
            day=day - first_day,  # the first trip starts on the first day, however few there are
        )


def _described(legs: pl.DataFrame) -> pl.DataFrame:
    """Put names, prices, distances, times and dates in the place of numbers, in the raw file's columns."""
    return legs.join(
        _offers(), on=["origin", "destination", "fare"], how="left", maintain_order="left", validate="m:1"
    ).select(
        "travelCode",
        "userCode",
        "from",
        "to",
        "flightType",
        "price",
        "time",
        "distance",
        "agency",
        date=(pl.lit(FIRST_DAY) + pl.duration(days="day")).dt.to_string("%Y-%m-%d"),
    )


def _offers() -> pl.DataFrame:
    """Return a row for each flight on offer: its places in the network's tables, and its raw columns."""
    return pl.DataFrame(
        [
            {
                "origin": origin,
                "destination": destination,
                "fare": fare,
                "from": network.CITIES[origin],
                "to": network.CITIES[destination],
                "flightType": network.FARES[fare][0],
                "agency": network.FARES[fare][1],
                "price": price,
                "time": network.hours(origin, destination),
                "distance": network.distance(origin, destination),
            }
            for (origin, destination, fare), price in network.prices().items()
        ]
    )
