"""How a step runs on a host: facts, programs, sudo, the lock, the summary. Knows no capability."""
