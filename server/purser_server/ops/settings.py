"""Settings: by `PURSER_*` environment, and by the command line over it."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_HIGHEST_PORT = 65_535


class SettingsError(ValueError):
    """Settings that do not go together, or name what is not there; `fields` are theirs."""

    def __init__(self, message: str, *fields: str) -> None:
        super().__init__(message)
        self.fields = fields


class Settings(BaseSettings):
    """What can be set. Times are in seconds; a name in the environment has the prefix PURSER_."""

    # A variable that is empty counts as not given: a script may clear it in no other way.
    model_config = SettingsConfigDict(
        env_prefix="PURSER_", extra="ignore", frozen=True, env_ignore_empty=True
    )

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
    # A movement without a definitive answer of its casino: when a person must look at it, and how
    # often the casino is asked from then on.
    case_after_s: float = Field(default=86_400, ge=1, le=30 * 86_400)
    case_every_s: float = Field(default=900, ge=1, le=86_400)
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
            if not host or not (port.isascii() and port.isdigit()):
                raise ValueError("must be HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051")
            if int(port) > _HIGHEST_PORT:
                raise ValueError(f"the port {port} must be 0 to {_HIGHEST_PORT}")
        return address

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if self.data_dir is None:
            return self
        if self.database_url is not None:
            raise SettingsError(
                "give a data directory or a database URL, not both", "data_dir", "database_url"
            )
        folder = self.data_dir.expanduser()
        if folder.exists() and not folder.is_dir():
            raise SettingsError(f"{folder} is a file: name a folder", "data_dir")
        return self

    @model_validator(mode="after")
    def _ports_for_all(self) -> Self:
        last = int((self.metrics_listen or ":0").rpartition(":")[2]) + self.workers - 1
        if last > _HIGHEST_PORT:
            raise SettingsError(
                f"worker n takes port + n, and {last} is above {_HIGHEST_PORT}", "metrics_listen"
            )
        return self

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            missing = "tls_certificate" if self.tls_certificate is None else "tls_key"
            raise SettingsError("TLS needs both a certificate and its key: give this too", missing)
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise SettingsError(
                "to ask clients for certificates, give --tls-certificate and --tls-key too",
                "tls_client_ca",
            )
        if self.tls_certificate is None and not self.insecure and not is_loopback(self.listen):
            raise SettingsError(
                f"{self.listen} can be reached from other machines, and API keys would cross the "
                "network in plain text: give --tls-certificate and --tls-key, listen on "
                "127.0.0.1, or say --insecure",
                "listen",
            )
        for name in ("tls_certificate", "tls_key", "tls_client_ca"):
            _require_pem(name, getattr(self, name))
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


def problems(error: ValidationError, flags: Collection[str]) -> list[str]:
    """Return a line for each bad setting, which says where it came from.

    `flags` are the settings that the command line gave; the others came from the environment.
    """

    def source(field: str) -> str:
        return f"--{field.replace('_', '-')}" if field in flags else f"PURSER_{field.upper()}"

    lines = []
    for problem in error.errors():
        cause = problem.get("ctx", {}).get("error")
        fields = cause.fields if isinstance(cause, SettingsError) else problem["loc"][:1]
        where = ", ".join(source(str(field)) for field in fields)
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}" if where else message)
    return lines


def _require_pem(name: str, path: Path | None) -> None:
    """Raise SettingsError for a file that TLS could not use: better now than after the database."""
    if path is None:
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", name) from error
    if b"-----BEGIN" not in content:
        raise SettingsError(f"{path} is not in PEM, which begins with -----BEGIN", name)


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
