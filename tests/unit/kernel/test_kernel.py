"""The values of the kernel: what they should be, and what they are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

from deploy.core.files import Files, digest
from deploy.kernel.facts import (
    VALUES,
    Difference,
    Kernel,
    KernelState,
    assignments,
    differences,
    is_hardened,
    missing,
    texts,
)

See = Callable[..., KernelState]
PID_MAX = "/proc/sys/kernel/pid_max"
NOW = Path(PID_MAX).read_text().strip()


def look(see: See, text: str) -> KernelState:
    """Return the values of this kernel that such a file of ours names."""
    return see(Kernel, keys=[key for key, _ in assignments(text)])


def count(see: See, text: str) -> int:
    """Return how many values are other ones than such a file of ours says."""
    return len(differences(text, look(see, text)))


def test_values_are_read_as_systemd_does() -> None:
    """The first separator says whether dots or slashes divide a key: the name of an interface may have dots."""
    text = "# a = 1\n; b = 2\n\n-net.ipv4.x = 1\nnet/ipv4/conf/eth0.5/y=2  \n net.ipv4.conf.eth0/5.z = 3 4\nno value\n"
    assert assignments(text) == [
        ("net/ipv4/x", "1"),
        ("net/ipv4/conf/eth0.5/y", "2"),
        ("net/ipv4/conf/eth0.5/z", "3 4"),
    ]
    assert len(assignments(texts()[VALUES])) > 30


def test_values_of_the_kernel_are_compared_with_those_in_force(see: See) -> None:
    """Of each interface, where the key is a pattern; what the kernel does not have is not counted, and named."""
    text = f"# A comment\n\nkernel.pid_max = {NOW}\n-no.such.key = 1\n"
    assert count(see, text) == 0
    assert missing(text, look(see, text)) == ["no.such.key"]
    assert count(see, f"kernel.pid_max={int(NOW) - 1}\nkernel/pid_max = {NOW}\n") == 1
    interfaces = len(list(Path("/proc/sys/net/ipv4/conf").iterdir()))
    assert count(see, "net.ipv4.conf.*.mc_forwarding = 7\n") == interfaces


def test_a_file_that_is_read_later_has_the_last_word(machine: Path, see: See) -> None:
    """One of the same directory or of the distribution's; one that is read earlier has not."""
    folder = machine / "etc/sysctl.d"
    folder.mkdir()
    wrong = "net.ipv4.conf.all.mc_forwarding = 7\nkernel.pid_max = 7\n"
    (folder / "10-early.conf").write_text("kernel.pid_max = 9\n")
    assert count(see, wrong) == 2
    (folder / "99-late.conf").write_text(" -kernel/pid_max=9\n")
    assert count(see, wrong) == 1
    (folder / "99-late.conf").write_text("net.ipv4.conf.*.mc_forwarding = 1\n")
    assert count(see, wrong) == 1


def test_what_the_kernel_keeps_is_not_set_again(machine: Path, see: See) -> None:
    """Until it is another value: then it may be one that somebody has set."""
    (machine / "etc/flights-mlops").mkdir()
    kept = machine / "etc/flights-mlops/kernel.refused"
    ours = {VALUES: "kernel.pid_max = 7\n"}
    files = Files({path: digest(text) for path, text in ours.items()})
    for found, hardened in ((NOW, True), ("8", False)):
        kept.write_text(f"{PID_MAX} 7 {found}\n")
        state = look(see, ours[VALUES])
        assert state.kept == {Difference(PID_MAX, "7", found)}
        assert is_hardened(ours, replace(state, files=files)) is hardened
        assert not is_hardened(ours, replace(state, files=replace(files, pending=True)))
    kept.write_text("\n")  # as an earlier version and this one write it where there is none
    assert look(see, ours[VALUES]).kept == frozenset()


def test_a_file_that_was_edited_is_written_again(machine: Path, see: See) -> None:
    """Each is known by what it holds."""
    for path, text in texts().items():
        place = machine / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    assert see(Kernel, keys=[]).files.hold(texts())
    (machine / VALUES.lstrip("/")).write_text("")
    assert not see(Kernel, keys=[]).files.hold(texts())


def test_values_are_set_and_set_back(machine: Path, run: Callable[..., "CompletedProcess[str]"]) -> None:
    """What cannot be set stops none of the others; nothing to set is fine."""
    settings = "/var/gone/a 1 0\n/var/b 3 1\n/var/c 5 4 4"
    assert run("kernel/apply", settings=settings).returncode == 0
    assert [(machine / f"var/{name}").read_text() for name in "bc"] == ["3\n", "5\n"]
    run("kernel/undo", settings=settings.partition("\n")[2])
    assert [(machine / f"var/{name}").read_text() for name in "bc"] == ["1\n", "4 4\n"]
    for program in ("kernel/apply", "kernel/undo"):
        done = run(program, settings="")
        assert (done.returncode, done.stdout) == (0, "")
