"""What the protos say: services, messages and enums, each with its comment."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import descriptor_pb2 as pb

# Numbers of fields in descriptor.proto, of which the paths of comments are made.
SYNTAX, MESSAGES, ENUMS, SERVICES = 12, 4, 5, 6
FIELDS, ONEOFS, VALUES, METHODS = 2, 8, 2, 2


@dataclass(frozen=True)
class Named:
    """Anything that has a name and a comment."""

    name: str
    full_name: str
    comment: str


@dataclass(frozen=True)
class Field(Named):
    """One field of a message. `oneof` is "" for one that stands alone."""

    number: int
    label: str
    types: tuple[str, ...]
    oneof: str


@dataclass(frozen=True)
class Message(Named):
    """A message with its fields, in the order of the proto."""

    fields: tuple[Field, ...]
    oneofs: dict[str, str]


@dataclass(frozen=True)
class Value(Named):
    """One value of an enum."""

    number: int


@dataclass(frozen=True)
class Enum(Named):
    """An enum with its values."""

    values: tuple[Value, ...]

    @property
    def prefix(self) -> str:
        """What the names of all values begin with."""
        return self.values[0].name.removesuffix("UNSPECIFIED")


@dataclass(frozen=True)
class Rpc(Named):
    """One method of a service."""

    request: str
    response: str
    streams_requests: bool
    streams_responses: bool


@dataclass(frozen=True)
class Service(Named):
    """A service with its rpcs."""

    rpcs: tuple[Rpc, ...]


@dataclass(frozen=True)
class File:
    """One proto. `comment` is what stands above its syntax line."""

    path: str
    package: str
    comment: str
    services: tuple[Service, ...]
    messages: tuple[Message, ...]
    enums: tuple[Enum, ...]

    @property
    def rpcs(self) -> Iterator[Rpc]:
        """The rpcs of all services."""
        return (rpc for service in self.services for rpc in service.rpcs)


def read_protos(folder: Path) -> list[File]:
    """Read the protos below a folder, in the order of their paths."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as temporary:
        compiled = Path(temporary) / "descriptors"
        command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={folder}"]
        command += ["--include_source_info", f"--descriptor_set_out={compiled}", *names]
        finished = subprocess.run(command, check=False)
        if finished.returncode:
            raise SystemExit(finished.returncode)
        files = pb.FileDescriptorSet.FromString(compiled.read_bytes()).file
    # The compiler gives imported files before those that import them.
    return sorted((_Reader(file).read() for file in files), key=lambda file: file.path)


class _Reader:
    """Joins the descriptors of a file with its comments, which are kept apart from them."""

    def __init__(self, file: pb.FileDescriptorProto) -> None:
        self._file = file
        self._places = {tuple(place.path): place for place in file.source_code_info.location}

    def read(self) -> File:
        """Return the file."""
        file = self._file
        head = self._places.get((SYNTAX,))
        return File(
            file.name,
            file.package,
            "\n".join(head.leading_detached_comments) if head else "",
            tuple(self._service(*each) for each in enumerate(file.service)),
            tuple(self._message(*each) for each in enumerate(file.message_type)),
            tuple(self._enum(*each) for each in enumerate(file.enum_type)),
        )

    def _named(self, name: str, scope: str, *at: int) -> tuple[str, str, str]:
        comment = self._places[at].leading_comments if at in self._places else ""
        return name, f"{scope}.{name}", comment

    def _service(self, index: int, service: pb.ServiceDescriptorProto) -> Service:
        at = (SERVICES, index)
        named = self._named(service.name, self._file.package, *at)
        rpcs = (
            Rpc(
                *self._named(rpc.name, named[1], *at, METHODS, number),
                rpc.input_type[1:],
                rpc.output_type[1:],
                rpc.client_streaming,
                rpc.server_streaming,
            )
            for number, rpc in enumerate(service.method)
        )
        return Service(*named, tuple(rpcs))

    def _message(self, index: int, message: pb.DescriptorProto) -> Message:
        at = (MESSAGES, index)
        named = self._named(message.name, self._file.package, *at)
        maps = {f"{named[1]}.{entry.name}": entry for entry in message.nested_type}
        if message.enum_type or not all(entry.options.map_entry for entry in maps.values()):
            raise SystemExit(f"{named[1]} has types inside it, for which there is no page yet")
        oneofs = [oneof.name for oneof in message.oneof_decl]
        fields = (
            Field(
                *self._named(field.name, named[1], *at, FIELDS, number),
                field.number,
                *_type(field, maps),
                # The compiler makes a oneof of its own of each optional field.
                oneofs[field.oneof_index] if _is_in_oneof(field) else "",
            )
            for number, field in enumerate(message.field)
        )
        told = (self._named(name, named[1], *at, ONEOFS, i)[2] for i, name in enumerate(oneofs))
        return Message(*named, tuple(fields), dict(zip(oneofs, told, strict=True)))

    def _enum(self, index: int, enum: pb.EnumDescriptorProto) -> Enum:
        at = (ENUMS, index)
        values = (
            Value(*self._named(value.name, self._file.package, *at, VALUES, number), value.number)
            for number, value in enumerate(enum.value)
        )
        return Enum(*self._named(enum.name, self._file.package, *at), tuple(values))


def _is_in_oneof(field: pb.FieldDescriptorProto) -> bool:
    return field.HasField("oneof_index") and not field.proto3_optional


def _type(
    field: pb.FieldDescriptorProto, maps: dict[str, pb.DescriptorProto]
) -> tuple[str, tuple[str, ...]]:
    """Return how often a field stands, and its type; of a map the types of key and value."""
    if field.type_name[1:] in maps:
        key, value = maps[field.type_name[1:]].field
        return "map", (_single(key), _single(value))
    repeated = field.label == pb.FieldDescriptorProto.LABEL_REPEATED
    label = "repeated" if repeated else "optional" if field.proto3_optional else ""
    return label, (_single(field),)


def _single(field: pb.FieldDescriptorProto) -> str:
    if field.type_name:
        return field.type_name[1:]
    return pb.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
