"""Where a host's images and packages come from: shipped, from a registry, through a proxy, with a private CA.

One machine for all, with no way out but the proxy. What can go wrong goes wrong on it first.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .authority import Authority
from .caches import Caches
from .checkout import Checkout
from .command import ROOT, Finished, run, until
from .conftest import MakeMachine
from .containers import containers, health
from .machine import Machine
from .proxy import Proxy, proxy, with_tls
from .running import begun

pytestmark = pytest.mark.slow

PASSWORD = "canary-of-the-proxy"  # noqa: S105 - made up, and looked for in all that is said
PYTHON = "flights-mlops-python:3.13-trixie-debian-packages-2"
DIRECT = "timeout 5 bash -c '</dev/tcp/{}/80'"
# What a deploy asks of the Docker here has no answer.
NO_ENGINE_HERE = {"DOCKER_HOST": "unix:///run/there-is-none.sock"}
REGISTRY = """
cat >/etc/docker/registry/config.yml <<'END'
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}
http: {addr: ":5000", tls: {certificate: /run/registry.crt, key: /run/registry.key}}
END
systemctl restart docker-registry
"""


@dataclass
class Site:
    """A machine behind a proxy, and what there is around it."""

    machine: Machine
    proxy: Proxy
    authority: Authority
    env: dict[str, str]

    def want(self, **settings: object) -> None:
        """Have the inventory say these settings beside those of the site."""
        data = {"proxy": self.proxy.address, "ca_file": str(self.authority.certificate), **settings}
        self.machine.write_inventory(self.machine.inventory, **data)

    def pyinfra(self, *arguments: str, checkout: Path = ROOT, env: dict[str, str] | None = None) -> Finished:
        """Type a pyinfra command, and see that it tells no password and ends in no traceback."""
        done = self.machine.pyinfra(*arguments, checkout=checkout, env=self.env | (env or {}))
        assert PASSWORD not in done.stdout + done.stderr
        assert "traceback" not in (done.stdout + done.stderr).lower()
        return done

    def succeed(self, *arguments: str, checkout: Path = ROOT) -> str:
        """Type such a command, which has to work; gives what it said."""
        done = self.pyinfra(*arguments, checkout=checkout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fail(self, *arguments: str, checkout: Path = ROOT, env: dict[str, str] | None = None) -> str:
        """Type such a command, which must not work; gives what it said."""
        done = self.pyinfra(*arguments, checkout=checkout, env=env)
        assert done.returncode != 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def changes(self, *arguments: str, env: dict[str, str] | None = None) -> int:
        """Type such a command, and see how many operations changed something."""
        done = self.pyinfra(*arguments, "--json", env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        return int(json.loads(done.stdout)["results"]["totals"]["success"])

    def images(self) -> dict[str, str]:
        """Return the ids of the machine's images by their names."""
        listed = self.machine.sudo("docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'").stdout
        return dict(line.split() for line in listed.splitlines())


@pytest.fixture(scope="module")
def site(
    new_machine: MakeMachine,
    package_caches: Caches,
    docker_here: None,  # noqa: ARG001 - it builds there
    elsewhere: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Make a bare Debian 13 that reaches nothing but the caches and the proxy, with an engine."""
    directory = tmp_path_factory.mktemp("site")
    authority = Authority(directory, "Private CA")
    # The images of Debian's packages have to be here, where no registry answers.
    done = run([ROOT / ".venv/bin/pyinfra", "-y", "@local", "deploy.base_images.ensure"], cwd=ROOT)
    assert done.returncode == 0
    with (
        proxy(package_caches.address, f"deploy:{PASSWORD}", package_caches.apt) as way,
        with_tls(package_caches.address, package_caches.python, *authority.sign("index.test")) as index,
    ):
        machine = new_machine("small", "trixie")
        machine.sudo("ip route del default; rm /etc/apt/apt.conf.d/01proxy")
        way.names["index.test"] = index
        found = Site(machine, way, authority, elsewhere)
        found.want(image_source="ship")
        found.succeed("deploy.outbound.configure")
        found.succeed("deploy.docker.install")
        yield found
        machine.destroy()


def test_everything_comes_through_the_proxy(site: Site) -> None:
    """Packages do, because there is no other way; the engine knows it as well, and no user does."""
    assert site.machine.run(DIRECT.format("192.0.2.1"), check=False).returncode != 0
    assert len(site.proxy.asked) > 2
    assert "@" in site.machine.sudo("docker info --format '{{.HTTPSProxy}}'").stdout
    told = "cat /etc/apt/apt.conf.d/* /etc/flights-mlops/proxy.env; systemctl show docker; apt-config dump"
    assert PASSWORD not in site.machine.run(f"({told}) 2>&1", check=False).stdout
    assert PASSWORD in site.machine.sudo(told).stdout


def test_a_proxy_and_a_ca_that_were_changed_are_put_right(site: Site) -> None:
    """Nothing is done where they are as they should be; an edited or removed file is noticed."""
    assert site.changes("deploy.outbound.configure") == 0
    certificate = site.authority.certificate.read_text().splitlines()[2]
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    assert certificate in site.machine.sudo(f"cat {bundle}").stdout
    removed = "/usr/local/share/ca-certificates/flights-mlops-1.crt"
    site.machine.sudo(f"rm {removed}; update-ca-certificates 2>&1; echo >/etc/apt/apt.conf.d/99flights-mlops-proxy")
    assert certificate not in site.machine.sudo(f"cat {bundle}").stdout
    assert site.changes("deploy.outbound.configure") == 1
    assert certificate in site.machine.sudo(f"cat {bundle}").stdout
    assert PASSWORD in site.machine.sudo("cat /etc/apt/apt.conf.d/99flights-mlops-proxy").stdout
    site.machine.sudo("rm /etc/flights-mlops/proxy.env")
    site.succeed("deploy.outbound.configure", "-vvv", "--debug", "--diff")


def test_a_ca_file_that_is_none_is_refused(site: Site) -> None:
    """One line, with nothing changed."""
    said = site.fail("deploy.py", "--data", "ca_file=/etc/hostname")
    assert "Nothing was changed" in said, said
    assert "which contains no certificate" in said, said


def test_a_full_disk_in_the_middle_leaves_nothing(site: Site) -> None:
    """The deploy says that the disk is full, and there is neither half an image nor a file on its way."""
    machine = site.machine
    machine.sudo("mkdir -p /var/lib/docker/tmp; mount -t tmpfs -o size=300m tmpfs /var/lib/docker/tmp")
    try:
        said = site.fail("deploy.images.build")
        assert machine.sudo("ls -A /var/lib/docker/tmp").stdout == ""
    finally:
        machine.sudo("umount /var/lib/docker/tmp")
    assert "the disk of small is full" in said, said
    assert site.images() == {}
    assert machine.sudo("ls /var/lib/docker/image/overlay2/layerdb/sha256 2>/dev/null", check=False).stdout == ""


def test_a_cut_connection_leaves_nothing(site: Site) -> None:
    """The deploy says so; what was on its way is gone, and nothing has the image's name."""
    machine = site.machine
    with begun(machine, "deploy.images.build") as going_on:
        going_on.wait_for("Sending flights-mlops-airflow")
        machine.sudo("pkill -STOP dockerd")
        try:
            machine.sudo("pkill -KILL -u debian sshd-session || pkill -KILL -u debian sshd", check=False)
            done = going_on.end()
        finally:
            machine.sudo("pkill -CONT dockerd")
    assert done.returncode != 0
    assert "the connection to small was lost; run the command again to continue" in done.stdout, done.stdout
    until("the end of what was cut", lambda: machine.sudo("! pgrep --full '[d]ocker load'").returncode == 0)
    until("nothing on its way", lambda: machine.sudo("ls -A /var/lib/docker/tmp").stdout == "")
    assert site.images() == {}


def test_the_next_deploy_brings_the_stack_up(site: Site) -> None:
    """Healthy, on the very image that is here: nothing was built on the host, nor could it have been."""
    said = site.succeed("deploy.py")
    assert set(health(site.machine).values()) == {"healthy"}
    (tag,) = set(re.findall(r"Sending flights-mlops-airflow:(i-\w+): \d+ MB, \d+ of its \d+ layers", said))
    shipped = run(["docker", "image", "inspect", "--format", "{{.Id}}", f"flights-mlops-shipped:{tag}"]).stdout.strip()
    ids = {found["Image"] for name, found in containers(site.machine).items() if name.startswith("airflow-")}
    assert ids == {shipped}
    airflow = {f"flights-mlops-airflow:{tag}", "flights-mlops-airflow:latest"}
    (other,) = set(site.images()) - airflow
    assert other.startswith("flights-mlops-postgres:13-")
    assert (
        site.machine.sudo("docker system df --format '{{.Type}} {{.Size}}' | grep Build").stdout == "Build Cache 0B\n"
    )
    assert site.machine.run("command -v mmdebstrap", check=False).returncode != 0


def test_a_second_deploy_asks_no_engine_here(site: Site) -> None:
    """Nothing changes, nothing is built, packed or sent: it works also where there is no Docker to ask."""
    assert site.changes("deploy.py", env=NO_ENGINE_HERE) == 0


def test_without_an_engine_here_nothing_is_begun(site: Site, checkout: Checkout) -> None:
    """Where there is something to build, the preflight says what is missing."""
    checkout.append("files/images/healthcheck", "# another image\n")
    said = site.fail("deploy.py", checkout=checkout.path, env=NO_ENGINE_HERE)
    assert "Nothing was changed" in said, said
    assert "builds on the control node, where Docker fails" in said, said


def test_only_the_layers_that_the_host_lacks_are_sent(site: Site, checkout: Checkout) -> None:
    """Another script in the image is some kilobytes, and not all that is below it; by zstd as well."""
    site.machine.sudo("apt-get -qq install --yes --no-install-recommends zstd")
    checkout.append("files/images/healthcheck", "# another image\n")
    site.succeed("deploy.release.upload", checkout=checkout.path)
    said = site.succeed("deploy.images.build", checkout=checkout.path)
    (size, some, every) = re.findall(r"Sending \S+: ([\d.]+) MB, (\d+) of its (\d+) layers", said)[0]
    assert 0 < float(size) < 1
    assert 0 < int(some) < int(every)
    (name,) = re.findall(r"Image (flights-mlops-airflow:\S+) is on the host", said)
    assert "# another image" in site.machine.sudo(f"docker run --rm {name} cat /usr/local/bin/healthcheck").stdout


def test_a_registry_gives_the_same_stack(site: Site, tmp_path: Path) -> None:
    """By digest, through the proxy, with a certificate of a CA that the running engine has not read."""
    machine, another = site.machine, Authority(tmp_path, "Another CA")
    both = tmp_path / "both.pem"
    both.write_text(site.authority.certificate.read_text() + another.certificate.read_text())
    certificate, key = another.sign("registry.test")
    machine.sudo("apt-get -qq install --yes --no-install-recommends docker-registry")
    for name, path in (("crt", certificate), ("key", key)):
        machine.sudo(f"cat >/run/registry.{name} <<'END'\n{path.read_text()}END\nchmod 0644 /run/registry.{name}")
    machine.sudo(REGISTRY)
    site.proxy.names["registry.test"] = (machine_address(machine), 5000)
    site.authority.certificate = both
    site.want(image_source="ship", open_ports=[5000])
    assert "Docker applies this after its next restart" in site.succeed("deploy.outbound.configure")
    site.succeed("deploy.firewall.close")

    site.want(image_source="registry", airflow_image=f"registry.test:5000/flights@sha256:{'0' * 64}")
    said = site.fail("deploy.images.build", env=NO_ENGINE_HERE)
    assert "could not be pulled on small" in said, said
    shipped = site.images()["flights-mlops-airflow:latest"]
    pushed = machine.sudo(
        "docker tag flights-mlops-airflow:latest registry.test:5000/flights"
        " && docker push --quiet registry.test:5000/flights"
        " && docker image inspect --format '{{index .RepoDigests 0}}' registry.test:5000/flights"
        " && docker image rm registry.test:5000/flights"
    ).stdout
    digest = re.findall(r"^registry.test:5000/flights@(sha256:\w+)$", pushed, re.MULTILINE)[0]
    site.want(image_source="registry", airflow_image=f"registry.test:5000/flights@{digest}")
    assert site.changes("deploy.images.build", env=NO_ENGINE_HERE) == 1
    images = site.images()
    assert images[f"flights-mlops-airflow:i-{digest[7:19]}"] == shipped
    assert not [name for name in images if name.startswith("registry.test")]
    assert site.changes("deploy.images.build") == 0
    assert "registry.test:5000" in site.proxy.asked


def test_a_base_image_is_pinned_by_its_digest(site: Site) -> None:
    """The host has it under a name of its own; a refresh leaves it alone, and gets a tag's image anew."""
    machine, there = site.machine, "registry.test:5000/postgres:13"
    (built,) = (name for name in site.images() if name.startswith("flights-mlops-postgres:13-"))
    older = digest(machine, built, there)
    site.want(image_source="registry", airflow_image=f"registry.test:5000/flights@sha256:{'0' * 64}")
    pin = ("--data", f"postgres_image={there}@{older}")
    assert site.changes("deploy.base_images.ensure", *pin) == 1
    assert f"{there}.sha256-{older[7:19]}" in site.images()
    assert there not in site.images()
    assert site.changes("deploy.base_images.ensure", *pin) == 0
    wrong = site.fail("deploy.base_images.ensure", "--data", f"postgres_image={there}@sha256:{'0' * 64}")
    assert "could not be pulled on small" in wrong, wrong
    assert "is pinned by its digest" in site.succeed("deploy.images.renew", *pin)

    tag = ("--data", f"postgres_image={there}")
    assert site.changes("deploy.base_images.ensure", *tag) == 1
    first = site.images()[there]
    assert "is the newest in the registry" in site.succeed("deploy.images.renew", *tag)
    digest(machine, "flights-mlops-airflow:latest", there)
    site.succeed("deploy.images.renew", *tag)
    images = site.images()
    (newer,) = (name for name in images if re.fullmatch(rf"{there}\.\d{{8}}T\d{{6}}", name))
    assert images[there] == first, "a release may run on it"
    assert images[newer] == images["flights-mlops-airflow:latest"]
    assert site.changes("deploy.base_images.ensure", *tag) == 0
    assert "is the newest in the registry" in site.succeed("deploy.images.renew", *tag)
    machine.sudo(f"docker image rm {newer} {there}")
    assert site.changes("deploy.images.prune") == 1
    assert not [name for name in site.images() if name.startswith(there)]


def digest(machine: Machine, image: str, name: str) -> str:
    """Push an image of the machine to its registry under a name; gives the digest that it has there."""
    kept = machine.sudo(f"docker image inspect --format '{{{{.Id}}}}' {name}", check=False).stdout.strip()
    pushed = machine.sudo(f"docker tag {image} {name} && docker push {name}").stdout
    machine.sudo(f"docker image rm {name}" + (f" && docker tag {kept} {name}" if kept else ""))
    return re.findall(r" digest: (sha256:\w+) ", pushed)[0]


def machine_address(machine: Machine) -> str:
    """Return the address of a machine on Docker's bridge."""
    return machine.run("ip -4 -o address show eth0 | sed -E 's/.* inet ([0-9.]+).*/\\1/'").stdout.strip()


def test_a_build_comes_through_the_proxy_with_the_private_ca(site: Site, checkout: Checkout) -> None:
    """From an index only the proxy reaches, whose certificate a private CA signed; neither stays."""
    requirements = (checkout.path / "requirements/image.txt").read_text()
    one = re.findall(r"^pyyaml==.*?(?=^\S)", requirements, re.MULTILINE | re.DOTALL)[0]
    checkout.write("requirements/image.txt", one)
    machine = site.machine
    save = f"docker save {PYTHON} | {' '.join(map(str, machine.ssh()))} sudo docker load --quiet"
    run(["sh", "-c", save])
    site.want(python_index_url="https://index.test/index/")
    site.succeed("deploy.release.upload", checkout=checkout.path)
    said = site.succeed("deploy.images.build", checkout=checkout.path)
    assert "index.test:443" in site.proxy.asked
    name = re.findall(r"Image (flights-mlops-airflow:\S+) is on the host", said)[0]
    assert "6" in machine.sudo(f"docker run --rm {name} python -c 'import yaml; print(yaml.__version__)'").stdout
    described = machine.sudo(f"docker history --no-trunc {name}; docker image inspect {name}").stdout
    assert PASSWORD not in described
    layers = f"docker save {name} | tar --extract --to-stdout | grep --text --count {PASSWORD}"
    assert machine.sudo(layers, check=False).stdout.strip() == "0"
    assert machine.sudo("stat --format %a /etc/flights-mlops/index.env").stdout.strip() == "600"
