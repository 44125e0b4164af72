"""Put the flights-mlops Airflow stack on a host, bring it up to date, or repair it.

pyinfra inventory.py deploy.py            the whole, which is safe to repeat
pyinfra inventory.py deploy.stack.start   any one of the steps below, by its name
"""

from deploy import (
    base_image,
    certificate,
    clock,
    cloud_init,
    credentials,
    egress,
    engine,
    firewall,
    image,
    lock,
    login,
    package,
    preflight,
    project,
    remote,
    security_update,
    stack,
    status,
)

# A machine fit for the job
preflight.check()
cloud_init.wait()
egress.configure()
package.install()
firewall.close()
login.harden()
security_update.automate()
clock.synchronise()
engine.install()
engine.live_restore()
credentials.ensure()
certificate.ensure()
remote.ensure()

# A complete release, beside the running one
base_image.ensure()
project.upload()
image.build()
project.check()

# The switch. Nothing above this line touches what is running
stack.migrate()
project.activate()
stack.start()

# Room for the next one
project.prune()
image.prune()
remote.prune()
lock.leave()
status.show()
