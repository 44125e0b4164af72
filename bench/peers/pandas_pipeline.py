"""The stages as one writes them with pandas: read all of it, change it, write it. The yardstick of the bench.

The same rules, the same columns; what a refused file would need (a report, a quarantine) is not there.
Run as `pandas_pipeline.py STAGE DIRECTORY`, with the directory laid out as the project's data directory.
"""

import json
import sys
from pathlib import Path

import pandas as pd

SPLITS = ("train", "validation", "test")
FLIGHT_TYPES = ["firstClass", "economic", "premium"]
CITIES = [
    "Aracaju (SE)",
    "Brasilia (DF)",
    "Campo Grande (MS)",
    "Florianopolis (SC)",
    "Natal (RN)",
    "Recife (PE)",
    "Rio de Janeiro (RJ)",
    "Salvador (BH)",
    "Sao Paulo (SP)",
]
CATEGORIES = ["origin", "destination", "route", "flight_type", "agency"]
NUMBERS = ["time", "distance"]
CALENDAR = ["year", "month", "day", "weekday"]


def split(data: Path) -> None:
    """Sort by date and cut in three, between days."""
    table = pd.read_csv(data / "raw" / "flights.csv").sort_values("date", kind="stable")
    days = table.groupby("date").size()
    share = (days.cumsum() - days) / len(table)
    share = table["date"].map(share)
    parts = (share < 0.7, (share >= 0.7) & (share < 0.85), share >= 0.85)
    (data / "split").mkdir()
    for name, part in zip(SPLITS, parts, strict=True):
        table[part].to_csv(data / "split" / f"{name}.csv", index=False)


def bronze(data: Path) -> None:
    """Validate each split and write it as Parquet."""
    (data / "bronze").mkdir()
    for name in SPLITS:
        table = pd.read_csv(data / "split" / f"{name}.csv")
        good = table.notna().all(axis=1)
        for column in ("travelCode", "userCode", "price", "time", "distance"):
            good &= table[column] >= 0
        for column in ("from", "to"):
            good &= table[column].isin(CITIES)
        good &= table["flightType"].isin(FLIGHT_TYPES) & (table["agency"].str.strip() != "")
        good &= table["date"].str.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
        good &= pd.to_datetime(table["date"], format="%Y-%m-%d", errors="coerce").notna()
        if not good.all():
            raise SystemExit(f"{(~good).sum()} rows of {name} break a rule")
        table.to_parquet(data / "bronze" / f"{name}.parquet", index=False, compression="zstd")


def silver(data: Path) -> None:
    """Rename, take dates apart, drop duplicates."""
    (data / "silver").mkdir()
    names = {"travelCode": "travel_code", "userCode": "user_code", "flightType": "flight_type"}
    names |= {"from": "origin", "to": "destination"}
    for name in SPLITS:
        table = pd.read_parquet(data / "bronze" / f"{name}.parquet").drop_duplicates().rename(columns=names)
        table["route"] = table["origin"] + " - " + table["destination"]
        table["date"] = pd.to_datetime(table["date"], format="%Y-%m-%d")
        for part in CALENDAR:
            table[part] = getattr(table["date"].dt, part)
        speed = table["distance"] / table["time"]
        if (table["origin"] == table["destination"]).any() or not speed.between(300, 500).all():
            raise SystemExit(f"rows of {name} break a rule")
        table.to_parquet(data / "silver" / f"{name}.parquet", index=False, compression="zstd")


def gold(data: Path) -> None:
    """Encode what the train split has shown."""
    (data / "gold").mkdir()
    train = pd.read_parquet(data / "silver" / "train.parquet")
    codes, fences = {}, {}
    for column in CATEGORIES:
        shares = train[column].value_counts(normalize=True)
        codes[column] = {value: code for code, value in enumerate(sorted(shares[shares >= 0.01].index), 1)}
    for column in (*NUMBERS, "price"):
        low, median, high = train[column].quantile([0.25, 0.5, 0.75])
        fences[column] = (low - 3 * (high - low), median, high + 3 * (high - low))
    for name in SPLITS:
        table = pd.read_parquet(data / "silver" / f"{name}.parquet")
        if name == "train":
            table = table[table["price"].between(fences["price"][0], fences["price"][2])]
        for column in CATEGORIES:
            table[column] = table[column].map(codes[column]).fillna(0).astype("int16")
        for column in NUMBERS:
            low, median, high = fences[column]
            table[column] = table[column].fillna(median).clip(low, high)
        columns = [*CATEGORIES, *NUMBERS, *CALENDAR, "price"]
        table[columns].to_parquet(data / "gold" / f"{name}.parquet", index=False, compression="zstd")
    (data / "gold" / "encoding.json").write_text(json.dumps({"categories": codes, "numbers": fences}))


if __name__ == "__main__":
    {"split": split, "bronze": bronze, "silver": silver, "gold": gold}[sys.argv[1]](Path(sys.argv[2]))
