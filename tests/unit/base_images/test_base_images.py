"""Which base image a host gets, and which of those that it has is of no use any more."""

import pytest

from deploy.base_images.facts import RECIPES, Found, Image, chosen, is_decided, superseded
from deploy.settings import Settings

BUILT = RECIPES["postgres:13"].name
OLDER, NEWER = ".20261025T230000", ".20261126T231000"
DIGEST = "0123456789abcdef" * 4


def host(*images: str, uses: str = "") -> Found:
    """Return what a host has: these images, and a release that runs on one of them."""
    return Found(dict.fromkeys(images, Image("sha256:aaaa")), {"POSTGRES": uses} if uses else {})


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("images", "uses", "name"),
    [
        ([], "", "postgres:13"),
        ([BUILT], "", BUILT),
        (["postgres:13", BUILT], "", "postgres:13"),
        ([BUILT + OLDER, BUILT + NEWER, BUILT], BUILT, BUILT + NEWER),
        ([BUILT + OLDER, "postgres:13"], BUILT + OLDER, BUILT + OLDER),
        (["postgres:13", f"postgres:13{NEWER}", BUILT], "postgres:13", f"postgres:13{NEWER}"),
        (["postgres:13", BUILT], f"postgres:13{OLDER}", "postgres:13"),
        ([], BUILT + OLDER, BUILT + OLDER),
        ([BUILT + OLDER, BUILT + NEWER], BUILT + OLDER, BUILT + NEWER),
        (["postgres:13", f"postgres:13.sha256-{DIGEST[:12]}"], "postgres:13", "postgres:13"),
    ],
)
def test_the_newest_of_the_kind_that_is_in_use_is_chosen(images: list[str], uses: str, name: str) -> None:
    """The database stays with PostgreSQL of the same origin, and the volume with the same version."""
    assert chosen("postgres:13", Settings(), host(*images, uses=uses)) == name


@pytest.mark.usefixtures("local")
def test_where_an_image_comes_from_is_decided_by_what_is_on_the_host() -> None:
    """A registry that may or may not answer decides it only where the host has neither."""
    for base_images, images, decided in (
        ("auto", (), False),
        ("auto", ("postgres:13",), True),
        ("auto", (BUILT,), True),
        ("debian", (), True),
        ("registry", (), True),
    ):
        settings = Settings(base_images=base_images)  # type: ignore[arg-type]
        assert is_decided("postgres:13", settings, host(*images)) is decided, (base_images, images)
    assert is_decided("postgres:17", Settings(), host())


@pytest.mark.usefixtures("local")
def test_a_digest_has_a_name_on_the_host() -> None:
    """One that the engine lists, and that says the version; no newer image takes its place."""
    settings = Settings(postgres_image=f"registry.test:5000/postgres:13@sha256:{DIGEST}")
    name = f"registry.test:5000/postgres:13.sha256-{DIGEST[:12]}"
    assert chosen(settings.postgres_image, settings, host()) == name
    assert chosen(settings.postgres_image, settings, host(f"registry.test:5000/postgres:13{NEWER}")) == name


def test_what_is_superseded_and_not_kept() -> None:
    """Of ours; the newest stays, and so does what has the registry's own name."""
    pinned, other = f"postgres:13.sha256-{DIGEST[:12]}", "postgres:13.sha256-ffffffffffff"
    names = {
        BUILT,
        BUILT + OLDER,
        BUILT + NEWER,
        "postgres:13",
        f"postgres:13{OLDER}",
        "caddy:2",
        pinned,
        other,
    }
    assert superseded(names, set()) == {BUILT, BUILT + OLDER, pinned, other}
    assert superseded(names, {BUILT, other}) == {BUILT + OLDER, pinned}
    assert superseded({BUILT, "flights-mlops-airflow:latest"}, set()) == set()
