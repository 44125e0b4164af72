"""How a host is reached, and what that means for the steps."""

from pyinfra.api import Host

from deploy.core.hosts import is_local, is_remote


def test_the_control_node_itself_is_not_set_up(local: Host) -> None:
    """Whoever deploys to it keeps its firewall, its sshd and its clock as they are."""
    assert is_local(local)
    assert not is_remote(local)
