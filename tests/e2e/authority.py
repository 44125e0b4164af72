"""A private certificate authority, as companies have."""

from pathlib import Path

from .command import run


class Authority:
    """One authority: its own certificate, and those it signs."""

    def __init__(self, directory: Path, name: str) -> None:
        """Make its key and certificate."""
        self.directory, self.name = directory, name
        self.certificate, self.key = directory / f"{name}.crt", directory / f"{name}.key"
        run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "30", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate,
        ])  # fmt: skip

    def sign(self, host: str) -> tuple[Path, Path]:
        """Return the certificate and the key of a host."""
        certificate, key = self.directory / f"{host}.crt", self.directory / f"{host}.key"
        run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "30", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
            "-addext", "basicConstraints=critical,CA:FALSE", "-CA", self.certificate, "-CAkey", self.key,
            "-keyout", key, "-out", certificate,
        ])  # fmt: skip
        return certificate, key
