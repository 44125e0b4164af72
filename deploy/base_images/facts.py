"""The images on a host, and which of them a base image of the settings is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pyinfra.api import StringCommand

from deploy.core.facts import Fact, look, table
from deploy.docker import local
from deploy.settings import Settings


@dataclass(frozen=True)
class Recipe:
    """How a base image is made of Debian's packages: its name on the host, the suite, what is installed."""

    name: str
    suite: str
    packages: str
    hooks: tuple[str, ...] = ()
    """What mmdebstrap does in the new root, which is "$1"."""
    changes: tuple[str, ...] = ()
    """What docker import sets, as in a Dockerfile."""
    entrypoint: bool = False
    """Whether files/base_images/docker-entrypoint.sh is its entrypoint."""
    runtime: str = ""
    """A directory below /run with the mode 3777: mmdebstrap empties /run."""


# Debian has these versions, and no other: for another one, the registry has to answer.
# A number at the end of a name rises when the image is made in another way.
RECIPES = {
    "python:3.13-slim-trixie": Recipe(
        "flights-mlops-python:3.13-trixie-debian-packages-2",
        "trixie",
        "python3.13,python3.13-venv,python3-venv,ca-certificates,libgomp1",
        hooks=('--customize-hook=mkdir -p "$1/usr/local/bin" && ln -s /usr/bin/python3.13 "$1/usr/local/bin/python3"',),
        changes=('CMD ["python3"]',),
    ),
    "postgres:13": Recipe(
        "flights-mlops-postgres:13-bullseye-debian-packages-2",
        "bullseye",
        "postgresql-13,ca-certificates",
        hooks=(
            (
                '--essential-hook=mkdir -p "$1/etc/postgresql-common" && '
                'echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"'
            ),
            # A volume that is new takes its owner from here: nobody in the container is root, who could give it away.
            '--customize-hook=chroot "$1" install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data',
        ),
        changes=(
            "ENV PATH=/usr/local/bin:/usr/lib/postgresql/13/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "ENV PGDATA=/var/lib/postgresql/data",
            "VOLUME /var/lib/postgresql/data",
            "USER postgres",
            'ENTRYPOINT ["docker-entrypoint.sh"]',
            'CMD ["postgres"]',
            "EXPOSE 5432",
        ),
        entrypoint=True,
        # For its socket, as the registry's image has it. Without the directory, the tmpfs over it would be closed to
        # PostgreSQL from the second start of a container on.
        runtime="postgresql",
    ),
    # busybox is for the health check, as the registry's image has it. Compose says how it runs.
    "caddy:2": Recipe("flights-mlops-caddy:2-trixie-debian-packages", "trixie", "caddy,ca-certificates,busybox"),
}

# At the end of a name on a host: when the image was refreshed, or which digest it is pinned to.
DATED = re.compile(r"\.\d{8}T\d{6}$")
PINNED = re.compile(r"\.sha256-[0-9a-f]{12}$")
IN_USE = ("PYTHON", "POSTGRES", "CADDY")

# From when on a newer image is worth asking for, and for how long that was enough.
OLD = timedelta(days=30)
HINT = "refresh: pyinfra inventory.py deploy.images.refresh"


NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Image:
    """An image on the host: its id, and when it was made, where that is known."""

    id: str
    made: datetime | None = None


@dataclass(frozen=True)
class Found:
    """The images on a host."""

    images: dict[str, Image] = field(default_factory=dict)
    """By name:tag."""
    used: dict[str, str] = field(default_factory=dict)
    """The base images of the current release, by what they are of: PYTHON, POSTGRES, CADDY."""
    asked: datetime = NEVER
    """When newer images were last asked for."""


class Images(Fact[Found]):
    """The images on a host, and those that the current release is built from."""

    def command(self) -> StringCommand:
        """Return the command."""
        return look("base_images/images")

    def read(self, lines: list[str]) -> Found:
        """Read the command's output."""
        rows = table(lines, "image|used|asked", r"\S+", r"\S+", ".+")
        found = Found()
        for kind, name, value, made in rows:
            if kind == "image":
                found.images[name] = Image(value, _date(made))
            elif kind == "used":
                found.used[name] = value
        asked = [int(made) for kind, _, _, made in rows if kind == "asked" and made.isdecimal()]
        return Found(found.images, found.used, datetime.fromtimestamp(max(asked, default=0), UTC))


def _date(text: str) -> datetime | None:
    """Return when an image was made, which may not be known: as in 2026-11-26 23:10:00 +0000 UTC."""
    try:
        made = datetime.strptime(" ".join(text.split()[:3]), "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return None
    # A reproducible build sets the beginning of time.
    return made if made.year > 2000 else None  # noqa: PLR2004


def needed(settings: Settings) -> list[str]:
    """Return the base images that a host needs, as the registry calls them."""
    images = [settings.python_image] if local.source(settings) == "build" else []
    return [*images, settings.postgres_image, *([settings.caddy_image] if settings.domain else [])]


def chosen(image: str, settings: Settings, found: Found) -> str:
    """Return the name, on the host, of the base image that is called ``image`` in the registry.

    With ``auto``, the one that the current release uses stays chosen: a registry that answers now and then
    must not rebuild everything, nor put a database under another system's PostgreSQL.
    Of those that ``deploy.images.refresh`` got one after the other, it is the newest on the host.
    """
    shipped = local.images() if local.source(settings) == "ship" else frozenset()
    if shipped and image == settings.python_image:  # needed where the Airflow image is built, and not on the host
        name = _origin(image, settings, shipped, ())
        return _newest(name, shipped) or name
    there = found.images.keys() | shipped
    used = set(found.used.values())
    name = _origin(image, settings, there, used)
    return _newest(name, there) or _newest(name, used) or name


def is_decided(image: str, settings: Settings, found: Found) -> bool:
    """Whether it is certain which image ``chosen`` means: with ``auto``, a registry that does not answer changes it."""
    return settings.base_images != "auto" or image not in RECIPES or chosen(image, settings, found) in found.images


def _origin(image: str, settings: Settings, there: Iterable[str], used: Iterable[str]) -> str:
    recipe = RECIPES.get(image)
    if settings.base_images == "registry" or recipe is None:
        name, _, digest = image.partition("@sha256:")
        return f"{name}.sha256-{digest[:12]}" if digest else name
    if settings.base_images == "debian":
        return recipe.name
    if image in map(first, used):
        return image
    if _repository(recipe.name) in map(_repository, used):
        return recipe.name
    names = set(map(first, there))
    return recipe.name if recipe.name in names and image not in names else image


def first(name: str) -> str:
    """Return what an image was called on the host before it was refreshed."""
    return DATED.sub("", name)


def _newest(name: str, names: Iterable[str]) -> str:
    return max((found for found in names if first(found) == name), default="")


def _repository(image: str) -> str:
    return image.rpartition(":")[0]


def superseded(names: Collection[str], kept: Collection[str]) -> set[str]:
    """Return those of the base images ``names`` that nobody needs: not ``kept``, and there is a newer one.

    A name that is the registry's own may be of use to somebody else.
    """
    made = {recipe.name for recipe in RECIPES.values()}
    ours = {name for name in names if DATED.search(name) or PINNED.search(name) or name in made}
    newest = {_newest(first(name), names) for name in ours if not PINNED.search(name)}
    return ours - newest - set(kept)


def ages(airflow_image: str, found: Found, settings: Settings, now: datetime) -> str:
    """Return how old each image of the current release is, and what to do where one is old; or nothing.

    Of an image from a registry it is the age that its publisher says.
    """
    names = {
        "Airflow": airflow_image,
        "Python": found.used.get("PYTHON", ""),
        "PostgreSQL": found.used.get("POSTGRES", ""),
        "Caddy": found.used.get("CADDY", ""),
    }
    days = {
        what: max((now - image.made).days, 0)
        for what, name in names.items()
        if (image := found.images.get(name)) and image.made
    }
    if not days:
        return ""
    texts = [f"{what} {count} {'day' if count == 1 else 'days'}" for what, count in days.items()]
    pinned = {what for what, name in names.items() if PINNED.search(name)}
    # The Airflow image is rebuilt when the one below it is.
    if "Python" in days or settings.image_source == "registry":
        pinned.add("Airflow")
    old = any(count > OLD.days for what, count in days.items() if what not in pinned)
    hint = f" ({HINT})" if old and now - found.asked > OLD else ""
    return f"Images: {texts[0]} old{''.join(f', {more}' for more in texts[1:])}{hint}"
