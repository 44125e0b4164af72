"""Put the flights-mlops Airflow stack on a host, bring it up to date, or repair it.

pyinfra inventory.py deploy.py            everything; safe to repeat
pyinfra inventory.py deploy.stack.start   any one of the steps below, by its name
"""

from deploy import (
    base_images,
    clock,
    cloud_init,
    credentials,
    docker,
    dvc,
    firewall,
    images,
    kernel,
    outbound,
    packages,
    preflight,
    release,
    service_user,
    ssh,
    stack,
    status,
    storage,
    tls,
    updates,
)
from deploy.core import plan

plan.begin()

# A machine fit for the job
preflight.check()
cloud_init.wait()
service_user.create()
outbound.configure()
packages.install()
firewall.close()
ssh.harden()
kernel.harden()
updates.automate()
clock.synchronise()
docker.install()
docker.live_restore()
credentials.ensure()
tls.ensure()
dvc.ensure()
storage.provide()

# A complete release, beside the running one
base_images.ensure()
release.upload()
images.build()
stack.check()

# The switch. Nothing above this line touches what is running
stack.migrate()
stack.activate()
stack.start()

# Room for the next one
release.prune()
images.prune()
credentials.prune()
updates.install()
status.show()

plan.end()
