"""The reference in docs/reference: it names everything, and cannot fall behind the protos."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool

from scripts.reference.__main__ import PROTOS, REFERENCE, main
from scripts.reference.links import page_of
from tests.support.catalogue import Documented, read_catalogue

PAGES = {path.name: path.read_text() for path in REFERENCE.glob("*.md")}
ALL_PROTOS = [path.relative_to(PROTOS).as_posix() for path in sorted(PROTOS.rglob("*.proto"))]
FIELD = re.compile(r"^\| (?:&emsp;)?`(\w+)` \| (\d+) \| (.+?) \| .+ \|$", re.M)
HEADINGS = {name: re.findall(r"^#+ (.+)$", page, re.M) for name, page in PAGES.items()}


def sections(page: str) -> dict[str, str]:
    """The text below each heading, up to the next one."""
    _, *parts = re.split(r"^#+ (.+)\n", PAGES[page], flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.fixture
def copied(tmp_path: Path) -> tuple[Path, Path]:
    """Protos that a test may change, and the pages that were made of them."""
    protos, reference = tmp_path / "protos", tmp_path / "reference"
    shutil.copytree(PROTOS, protos)
    shutil.copytree(REFERENCE, reference)
    return protos, reference


@pytest.mark.parametrize("proto", ALL_PROTOS)
def test_a_page_names_everything_of_its_proto(proto: str) -> None:
    page = page_of(proto)
    assert f"from [protos/{proto}](../../protos/{proto})" in PAGES[page]
    __import__(f"{proto.removesuffix('.proto').replace('/', '.')}_pb2")
    file = descriptor_pool.Default().FindFileByName(proto)
    told = sections(page)
    for service in file.services_by_name.values():
        assert service.name in told
        for rpc in service.methods:
            assert rpc.input_type.name in told[rpc.name]
            assert rpc.output_type.name in told[rpc.name]
            assert ("a stream of [`" in told[rpc.name]) is (
                rpc.client_streaming or rpc.server_streaming
            )
    for message in file.message_types_by_name.values():
        rows = FIELD.findall(told[message.name])
        assert [(name, int(number)) for name, number, _ in rows] == [
            (field.name, field.number) for field in message.fields
        ]
        for field, (_, _, shown) in zip(message.fields, rows, strict=True):
            type_of = field.message_type or field.enum_type
            assert shown.startswith("map of") or not type_of or f"`{type_of.name}`" in shown
            assert ("repeated" in shown or "map of" in shown) is field.is_repeated
        for oneof in message.oneofs:
            assert f"one of `{oneof.name}`" in told[message.name] or len(oneof.fields) == 1
    for enum in file.enum_types_by_name.values():
        assert enum.name in told
        for value in enum.values:
            told_with_number = rf"`{value.name}` [|=] {value.number}\b"
            assert re.search(told_with_number, PAGES[page]), value.name


@pytest.mark.parametrize("entry", read_catalogue().values(), ids=read_catalogue())
def test_a_reason_is_told_with_its_code_its_keys_and_its_example(entry: Documented) -> None:
    told = sections("errors.md")[entry.reason]
    assert f"| status code | `{entry.code}` |" in told
    assert f"| final | {'yes' if entry.is_final else 'no'} |" in told
    keys = re.findall(r"^\| metadata \| (.+) \|$", told, re.M)
    assert set(re.findall(r"`(\w+)`", keys[0])) == entry.metadata
    assert f'"reason": "{entry.reason}"' in told


def test_a_reason_leads_to_the_rpcs_that_name_it() -> None:
    told = sections("errors.md")
    assert "[RevokeApiKey](operator-service.md#revokeapikey)" in told["API_KEY_NOT_FOUND"]
    assert "every rpc of [WalletService](wallet-service.md#walletservice)" in told["OVERLOADED"]
    # QuoteOrder has those of RewardOrder but one.
    assert "QuoteOrder" in told["HOLD_NOT_ACTIVE"]
    assert "QuoteOrder" not in told["TRANSACTION_ID_REUSED"]


def test_the_index_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)[#)]", PAGES["README.md"]))
    assert linked == PAGES.keys() - {"README.md"}


@pytest.mark.parametrize("page", PAGES)
def test_no_two_headings_of_a_page_share_an_anchor(page: str) -> None:
    titles = [title.lower() for title in HEADINGS[page]]
    assert len(titles) == len(set(titles))


def test_the_pages_are_what_the_protos_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--check") == 0
    assert not capsys.readouterr().out


def test_a_changed_comment_is_told_and_mended(
    copied: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    protos, reference = copied
    money = protos / "purser" / "type" / "v1" / "money.proto"
    money.write_text(money.read_text().replace("An amount of one currency.", "Some amount."))

    assert main("--check", protos=protos, reference=reference) == 1
    assert "docs/reference/money.md is not what protos/ gives" in capsys.readouterr().out
    assert (reference / "money.md").read_text() == PAGES["money.md"]

    assert main(protos=protos, reference=reference) == 0
    assert "Some amount." in (reference / "money.md").read_text()
    assert main("--check", protos=protos, reference=reference) == 0


def test_a_page_written_by_hand_or_left_over_is_told(copied: tuple[Path, Path]) -> None:
    protos, reference = copied
    (reference / "errors.md").write_text("written by hand")
    assert main("--check", protos=protos, reference=reference) == 1
    main(protos=protos, reference=reference)
    (reference / "gone-service.md").touch()
    assert main("--check", protos=protos, reference=reference) == 1
    main(protos=protos, reference=reference)
    assert {path.name for path in reference.iterdir()} == PAGES.keys()


def test_prose_keeps_its_lists_its_code_and_its_paragraphs() -> None:
    callback = PAGES["casino-callback-service.md"]
    assert "\n1. Verify the signature of every call" in callback
    assert "```\nHMAC-SHA256(signing_secret" in callback
    assert re.search(r"^\| bet \| COMPLETED \| ROLLED_BACK \|$", PAGES["ledger-service.md"], re.M)
    for name, page in PAGES.items():
        outside = re.sub(r"```.*?```", "", page, flags=re.S)
        assert page.count("```") % 2 == 0, name
        for rows in re.findall(r"(?:^\|.*\n)+", outside, re.M):
            widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}
            assert len(widths) == 1, rows
