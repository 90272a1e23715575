"""Settings: by `PURSER_*` environment, and by the command line over it."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What can be set. Times are in seconds; a name in the environment has the prefix PURSER_."""

    model_config = SettingsConfigDict(env_prefix="PURSER_", extra="ignore", frozen=True)

    listen: str = "127.0.0.1:50051"
    data_dir: Path | None = None
    database_url: SecretStr | None = None
    workers: int = Field(default=1, ge=1, le=64)
    admin_key: SecretStr | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    insecure: bool = False
    lanes: int = Field(default=2, ge=1, le=16)
    queue_limit: int = Field(default=20_000, ge=1, le=1_000_000)
    flush_limit: int = Field(default=1_000, ge=1, le=10_000)
    grace_s: float = Field(default=10.0, ge=0, le=600)
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics_listen: str | None = None

    @field_validator("admin_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < 32:
            raise ValueError("must have 32 or more characters")
        return key

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith("postgresql://"):
            raise ValueError("must begin with postgresql://")
        return url

    @field_validator("listen", "metrics_listen")
    @classmethod
    def _host_and_port(cls, address: str | None) -> str | None:
        if address is not None:
            host, _, port = address.rpartition(":")
            if not host or not port.isdigit() or int(port) > 65_535:
                raise ValueError("must be HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051")
        return address

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.data_dir is not None and self.database_url is not None:
            raise ValueError("give a data directory or a database URL, not both")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("TLS needs both a certificate and its key")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("to ask clients for certificates, TLS needs the server's own first")
        if self.tls_certificate is None and not self.insecure and not is_loopback(self.listen):
            raise ValueError(
                f"{self.listen} can be reached from other machines, and API keys would cross the "
                "network in plain text: give --tls-certificate and --tls-key, listen on "
                "127.0.0.1, or say --insecure"
            )
        return self

    def as_environment(self) -> dict[str, str]:
        """Return the settings as the environment of another process of this installation."""
        given = self.model_dump(exclude_none=True)
        plain = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in given.items()
        }
        return {f"PURSER_{name.upper()}": str(value) for name, value in plain.items()}

    @property
    def data_directory(self) -> Path:
        """Where the embedded PostgreSQL keeps its data."""
        return self.data_dir if self.data_dir is not None else default_data_directory()


def is_loopback(address: str) -> bool:
    """Tell whether HOST:PORT can be reached from this machine alone."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def default_data_directory() -> Path:
    """Return the data directory of those who name none."""
    if os.geteuid() == 0:
        return Path("/var/lib/purser")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "purser"
