"""Which database image is refused, because it could not read the database's files."""

import pytest

from deploy.base_images.facts import RECIPES, Found
from deploy.settings import Settings
from deploy.stack import database_problems

DEBIAN_POSTGRES = RECIPES["postgres:13"].name


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(
    ("kept", "settings", "fits"),
    [
        ("postgres:13", Settings(), True),
        ("postgres:13", Settings(postgres_image="postgres:13.23-bookworm"), True),
        ("postgres:13", Settings(postgres_image="postgres:17"), False),
        ("postgres:13.20261126T231000", Settings(), True),
        ("postgres:13", Settings(postgres_image=f"postgres:13@sha256:{'0' * 64}"), True),
        ("postgres:13", Settings(postgres_image=f"postgres:17@sha256:{'0' * 64}"), False),
        ("postgres:13", Settings(base_images="debian"), False),
        (DEBIAN_POSTGRES, Settings(), True),
        (f"{DEBIAN_POSTGRES}.20261126T231000", Settings(), True),
        (DEBIAN_POSTGRES, Settings(base_images="registry"), False),
    ],
)
def test_a_database_keeps_an_image_that_can_read_it(kept: str, settings: Settings, *, fits: bool) -> None:
    """Another major version, or an image of another origin, is refused before anything is changed."""
    images = Found(used={"POSTGRES": kept})
    assert (database_problems(settings, images, has_volume=True) == []) is fits
    assert database_problems(settings, images, has_volume=False) == []
    assert database_problems(settings, Found(), has_volume=True) == []
