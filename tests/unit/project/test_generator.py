"""The generated table obeys every published fact of the original, and its seed."""

import time
from pathlib import Path

import polars as pl
import pytest

from src.data_generation import flights as flights_module
from src.data_generation.flights import generate, write
from src.data_generation.raw import take_or_generate

from .conftest import HEADER, Command

ROWS = 271_888
# Per cent of rows, as published: (from, to).
CITIES = {
    "Florianopolis (SC)": (12.6, 21.0),
    "Aracaju (SE)": (12.5, 14.9),
    "Campo Grande (MS)": (12.5, 14.0),
    "Brasilia (DF)": (12.1, 12.2),
    "Recife (PE)": (12.2, 12.1),
    "Sao Paulo (SP)": (11.0, 8.5),
    "Natal (RN)": (11.0, 8.5),
    "Salvador (BH)": (8.2, 4.3),
    "Rio de Janeiro (RJ)": (8.0, 4.3),
}


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Return the whole table, read back from the file that was written."""
    path = tmp_path_factory.mktemp("raw") / "flights.csv"
    write(path, ROWS, seed=1)
    return pl.read_csv(path)


def percent(flights: pl.DataFrame, column: str) -> dict[str, float]:
    """Return how many per cent of the rows have each value."""
    counts = flights[column].value_counts(normalize=True)
    return {value: 100 * share for value, share in counts.iter_rows()}


def test_file_is_written_within_seconds(tmp_path: Path) -> None:
    """271,888 rows take well under 20 s; on an idle core less than one."""
    start = time.monotonic()
    write(tmp_path / "flights.csv", ROWS, seed=1)
    assert time.monotonic() - start < 20


def test_file_has_the_published_columns_and_size(flights: pl.DataFrame) -> None:
    """The header is the original's, and there is a row for each of its rows."""
    assert ",".join(flights.columns) + "\n" == HEADER
    assert flights.height == ROWS
    assert flights.null_count().sum_horizontal().item() == 0


def test_cities_and_classes_are_as_frequent_as_published(flights: pl.DataFrame) -> None:
    """Each share is within half a per cent of all rows."""
    assert percent(flights, "from") == pytest.approx({city: of for city, (of, _) in CITIES.items()}, abs=0.5)
    assert percent(flights, "to") == pytest.approx({city: to for city, (_, to) in CITIES.items()}, abs=0.5)
    classes = {"firstClass": 42.9, "economic": 28.6, "premium": 28.5}
    assert percent(flights, "flightType") == pytest.approx(classes, abs=0.5)
    assert set(flights["agency"]) == {"Rainbow", "CloudFy", "FlyingDrops"}


def test_prices_are_spread_as_published(flights: pl.DataFrame) -> None:
    """Ends exact; mean, standard deviation and quartiles within 2 %; 490 different prices."""
    price = flights["price"]
    assert (price.min(), price.max()) == (301.51, 1754.17)
    assert price.mean() == pytest.approx(949.42, rel=0.02)
    assert price.std() == pytest.approx(358.45, rel=0.02)
    quartiles = [price.quantile(share) for share in (0.25, 0.5, 0.75)]
    assert quartiles == pytest.approx([669.83, 898.04, 1214.82], rel=0.02)
    assert price.n_unique() == 490


def test_each_offer_has_one_price(flights: pl.DataFrame) -> None:
    """The price depends on from, to, flightType and agency, and on nothing else."""
    prices = flights.group_by("from", "to", "flightType", "agency").agg(pl.col("price").n_unique())
    assert prices["price"].unique().to_list() == [1]


def test_prices_do_not_depend_on_the_seed(flights: pl.DataFrame) -> None:
    """A model trained on one file can be tried on another."""
    offer = ["from", "to", "flightType", "agency"]
    other = generate(20_000, seed=2).select(*offer, "price").unique()
    both = other.join(flights.select(*offer, elsewhere="price").unique(), on=offer)
    assert both.height == other.height
    assert both["price"].to_list() == pytest.approx(both["elsewhere"].to_list())


def test_distances_and_times_are_as_published(flights: pl.DataFrame) -> None:
    """One distance for a pair of cities, both ways; 33 times; about 386 km/h on every row."""
    pair = pl.concat_list("from", "to").list.sort().list.join("-")
    distances = flights.group_by(pair.alias("pair")).agg(pl.col("distance").unique())
    assert distances.height == 36
    assert distances["distance"].list.len().unique().to_list() == [1]
    times = flights["time"]
    assert (times.min(), times.max(), times.n_unique()) == (0.44, 2.44, 33)
    assert times.mean() == pytest.approx(1.363, abs=0.01)
    assert (flights["distance"] / times - 386).abs().max() < 4
    published = {806.48: 2.09, 277.70: 0.72, 830.86: 2.16}
    assert published.items() <= dict(flights.select("distance", "time").unique().iter_rows()).items()


def test_a_trip_goes_out_and_back(flights: pl.DataFrame) -> None:
    """Two rows share a travelCode and more; the way back starts on a later day, where the way out ended."""
    out, back = flights.gather_every(2), flights.gather_every(2, offset=1)
    for column in ("travelCode", "userCode", "flightType", "agency"):
        assert out[column].equals(back[column])
    assert out["travelCode"].n_unique() == ROWS // 2
    assert back["from"].equals(out["to"])
    assert (back["date"] > out["date"]).all()
    assert (flights["from"] != flights["to"]).all()
    # The published shares of `from` and `to` differ, so not all can end where they began; see itinerary.py.
    assert (back["to"] == out["from"]).mean() > 0.65


def test_dates_are_iso_and_start_when_the_original_does(flights: pl.DataFrame) -> None:
    """The first is 2019-09-26, in a tiny file too, and each is a real day."""
    assert flights["date"].str.to_date("%Y-%m-%d").min() == pl.Series(["2019-09-26"]).str.to_date().item()
    assert generate(2, seed=3)["date"].min() == "2019-09-26"


def test_seed_and_rows_settle_every_byte(tmp_path: Path) -> None:
    """The same arguments give the same bytes, another seed gives others."""
    content = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(tmp_path / name, 2000, seed)
        content.append((tmp_path / name).read_bytes())
    assert content[0] == content[1] != content[2]


@pytest.mark.parametrize("rows", [0, -2, 7])
def test_rows_must_make_whole_trips(rows: int) -> None:
    """A number of rows that cannot be is refused in a sentence."""
    with pytest.raises(ValueError, match=f"rows is {rows}, but a trip has two"):
        generate(rows, seed=1)


def test_command_generates_what_the_function_does(command: Command, data: Path, tmp_path: Path) -> None:
    """The command line writes below FLIGHTS_DATA_DIR, readable by all where the umask says so."""
    done = command("src/data_generation/raw.py", "--rows", "100", "--seed", "5")
    assert done.returncode == 0, done.stderr
    raw = data / "raw" / "flights.csv"
    assert done.stderr == f"generated {raw}: 100 rows from seed 5\n"
    write(tmp_path / "same.csv", 100, 5)
    assert raw.read_bytes() == (tmp_path / "same.csv").read_bytes()
    (tmp_path / "plain").touch()
    assert raw.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_command_refuses_an_odd_number_of_rows(command: Command, data: Path) -> None:
    """The fault is one line, and nothing is written."""
    done = command("src/data_generation/raw.py", "--rows", "7")
    assert done.returncode == 1
    assert done.stderr == "raw: rows is 7, but a trip has two: it must be a positive even number\n"
    assert not data.exists()


def test_somebodys_raw_file_is_left_alone(data: Path) -> None:
    """One put there by hand, or edited since it was generated, is taken; else it is generated again."""
    raw = take_or_generate(data, rows=10, seed=1)
    generated = raw.read_text()
    take_or_generate(data, rows=10, seed=2)
    assert raw.read_text() != generated
    raw.write_text("mine\n")
    take_or_generate(data, rows=10, seed=1)
    assert raw.read_text() == "mine\n"
    raw.unlink()
    take_or_generate(data, rows=10, seed=1)
    assert raw.read_text() == generated


def test_a_table_that_is_drawn_in_pieces_has_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trips are numbered on and start later and later, over as many days; the piece is no part of the law."""
    whole = generate(20_000, seed=4)
    monkeypatch.setattr(flights_module, "_DRAWN_AT_ONCE", 700)
    pieces = generate(20_000, seed=4)
    out = pieces.gather_every(2)
    assert out["travelCode"].to_list() == list(range(10_000))
    assert out["date"].is_sorted()
    assert pieces["date"].min() == "2019-09-26"
    assert pieces["date"].n_unique() == pytest.approx(whole["date"].n_unique(), abs=3)
    assert pieces["userCode"].n_unique() == whole["userCode"].n_unique()
    assert pieces["price"].mean() == pytest.approx(whole["price"].mean(), rel=0.02)
    assert pieces.tail(2)["date"].max() >= "2023-07"
