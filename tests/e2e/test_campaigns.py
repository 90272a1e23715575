"""Campaigns: multipliers with a window, which can be ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from purser.loyalty.v1 import loyalty_pb2, program_service_pb2
from purser.type.v1.money_pb2 import Money
from purser_server.domain.programs import MOST_CAMPAIGNS
from purser_server.ops.embedded_postgres import EmbeddedPostgres
from tests.support.calls import beside, together
from tests.support.client import LOYALTY, Client, Installation, eur, new_id, refused
from tests.support.databases import connected
from tests.support.loyalty import at
from tests.support.process import PurserProcess

Campaign = loyalty_pb2.Campaign

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@pytest.fixture
async def shop(installation: Installation) -> Client:
    """A casino of its own, with a key for loyalty."""
    return await installation.new_casino(LOYALTY)


async def create(shop: Client, campaign: Campaign | None) -> Any:
    return await shop.programs.CreateCampaign(
        program_service_pb2.CreateCampaignRequest(campaign=campaign)
    )


async def campaign_of(shop: Client, campaign_id: str) -> Any:
    request = program_service_pb2.GetCampaignRequest(campaign_id=campaign_id)
    return (await shop.programs.GetCampaign(request)).campaign


async def end(shop: Client, campaign_id: str) -> Any:
    return await shop.programs.EndCampaign(
        program_service_pb2.EndCampaignRequest(campaign_id=campaign_id)
    )


async def listed(shop: Client, **fields: Any) -> Any:
    return await shop.programs.ListCampaigns(program_service_pb2.ListCampaignsRequest(**fields))


def time_of(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)


NOW = datetime.now(UTC).replace(microsecond=0)
YESTERDAY, TOMORROW = NOW - timedelta(days=1), NOW + timedelta(days=1)


def everything(campaign_id: str = "double") -> Campaign:
    return Campaign(
        campaign_id=campaign_id,
        name="Double points 🎰",
        multiplier="2.0",
        start_time=at(YESTERDAY),
        end_time=at(TOMORROW),
        product_ids=["b", "a", "b"],
        categories=["consoles"],
        collections=["summer", "sale"],
        merchant_ids=["m"],
        branch_ids=["x", "y"],
        min_quantity="1.50",
        min_amount=eur("10.00"),
    )


async def test_a_campaign_is_kept_and_shown_as_it_was_given(shop: Client) -> None:
    given = everything()
    given.create_time.CopyFrom(at(YESTERDAY))

    answer = await create(shop, given)

    assert not answer.replayed
    expected = everything()
    expected.create_time.CopyFrom(answer.campaign.create_time)
    assert answer.campaign == expected
    assert abs(time_of(answer.campaign.create_time) - datetime.now(UTC)) < timedelta(minutes=1)
    assert await campaign_of(shop, "double") == expected


async def test_a_bare_campaign_has_nothing_but_what_was_given(shop: Client) -> None:
    answer = await create(shop, Campaign(campaign_id="bare", multiplier="0.000001"))

    assert answer.campaign == Campaign(
        campaign_id="bare", multiplier="0.000001", create_time=answer.campaign.create_time
    )


async def test_the_ends_of_time_are_kept(shop: Client) -> None:
    first, last = Timestamp(seconds=-62_135_596_800), Timestamp(seconds=253_402_300_799)
    last.nanos = 999_999_000
    given = Campaign(campaign_id="ever", multiplier="2", start_time=first, end_time=last)

    await create(shop, given)

    found = await campaign_of(shop, "ever")
    assert (found.start_time, found.end_time) == (first, last)
    assert [each.campaign_id for each in (await listed(shop, active_time=first)).campaigns] == [
        "ever"
    ]
    assert not (await listed(shop, active_time=last)).campaigns
    assert (await create(shop, given)).replayed


async def test_the_same_campaign_again_is_a_replay(shop: Client) -> None:
    first = await create(shop, everything())
    same = everything()
    same.multiplier, same.min_quantity = "2", "1.5"
    del same.product_ids[:]
    same.product_ids.extend(["a", "b"])
    same.collections.reverse()

    again = await create(shop, same)

    assert again.replayed
    assert again.campaign == first.campaign


async def test_a_campaign_is_the_same_after_its_end_too(shop: Client) -> None:
    await create(shop, everything())
    ended = await end(shop, "double")

    again = await create(shop, everything())

    assert again.replayed
    assert again.campaign == ended.campaign
    # The end that it has now is not the one that it was created with.
    other = everything()
    other.end_time.CopyFrom(ended.campaign.end_time)
    with refused("CAMPAIGN_EXISTS"):
        await create(shop, other)


@pytest.mark.parametrize(
    "change",
    [
        Campaign(name="Another"),
        Campaign(multiplier="2.000001"),
        Campaign(start_time=at(YESTERDAY - timedelta(seconds=1))),
        Campaign(end_time=at(TOMORROW + timedelta(seconds=1))),
        Campaign(product_ids=["c"]),
        Campaign(categories=["games"]),
        Campaign(collections=["winter"]),
        Campaign(merchant_ids=["n"]),
        Campaign(branch_ids=["z"]),
        Campaign(min_quantity="1.501"),
        Campaign(min_amount=eur("10.01")),
        Campaign(min_amount=Money(currency_code="USD", minor_units=1_000)),
    ],
    ids=lambda change: change.ListFields()[0][0].name,
)
async def test_another_campaign_of_the_same_id_is_refused(shop: Client, change: Campaign) -> None:
    first = await create(shop, everything())
    other = everything()
    other.MergeFrom(change)

    with refused("CAMPAIGN_EXISTS") as failure:
        await create(shop, other)

    assert failure.metadata == {"campaign_id": "double"}
    assert await campaign_of(shop, "double") == first.campaign


async def test_a_campaign_that_is_created_many_times_at_once_is_one(
    shop: Client, second_server: PurserProcess
) -> None:
    async with beside(shop, second_server) as elsewhere:
        answers = await together(
            create((shop, elsewhere)[number % 2], everything()) for number in range(12)
        )
    assert [answer.replayed for answer in answers].count(False) == 1
    assert len({answer.campaign.SerializeToString() for answer in answers}) == 1


def with_(**fields: Any) -> Campaign:
    given: dict[str, Any] = {"campaign_id": "c", "multiplier": "2", **fields}
    return Campaign(**given)


@pytest.mark.parametrize(
    ("field", "campaign"),
    [
        ("", None),
        (".campaign_id", with_(campaign_id="")),
        (".campaign_id", with_(campaign_id="x" * 129)),
        (".name", with_(name="x" * 257)),
        (".name", with_(name="a\nb")),
        *((".multiplier", with_(multiplier=text)) for text in ("", "0", "0.000", "-1", "1e1")),
        *((".multiplier", with_(multiplier=text)) for text in ("1000.000001", "0.0000001")),
        (".start_time", with_(start_time=Timestamp(seconds=253_402_300_800))),
        (".end_time", with_(end_time=Timestamp(nanos=-1))),
        (".end_time", with_(start_time=at(NOW), end_time=at(NOW))),
        (".end_time", with_(start_time=at(TOMORROW), end_time=at(YESTERDAY))),
        (".product_ids[1]", with_(product_ids=["a", ""])),
        (".categories[0]", with_(categories=["x" * 129])),
        (".collections[0]", with_(collections=["\0"])),
        (".merchant_ids[2]", with_(merchant_ids=["a", "b", "\t"])),
        (".branch_ids", with_(branch_ids=[str(number) for number in range(1_001)])),
        *((".min_quantity", with_(min_quantity=text)) for text in ("-1", "1.0001", "1" * 13)),
        (".min_amount.currency_code", with_(min_amount=Money())),
        (".min_amount.currency_code", with_(min_amount=Money(currency_code="€"))),
        (".min_amount.minor_units", with_(min_amount=eur("-0.01"))),
    ],
)
async def test_a_campaign_that_cannot_be_is_refused(
    shop: Client, field: str, campaign: Campaign | None
) -> None:
    with refused("INVALID_FIELD") as failure:
        await create(shop, campaign)

    assert failure.metadata == {"field": f"campaign{field}"}
    assert not (await listed(shop)).campaigns


async def test_a_minimum_in_an_unknown_currency_is_refused(shop: Client) -> None:
    with refused("CURRENCY_UNKNOWN"):
        await create(
            shop,
            Campaign(
                campaign_id="c",
                multiplier="2",
                min_amount=Money(currency_code="GOLD", minor_units=1),
            ),
        )


async def test_campaigns_are_listed_as_they_were_created_page_by_page(shop: Client) -> None:
    names = [f"c{number}" for number in (3, 1, 2, 5, 4)]
    for name in names:
        await create(shop, with_(campaign_id=name))

    found, token, sizes = [], "", []
    for page_size in (2, 1, 1_000):
        page = await listed(shop, page_size=page_size, page_token=token)
        found += [campaign.campaign_id for campaign in page.campaigns]
        sizes.append(len(page.campaigns))
        token = page.next_page_token

    assert (found, sizes, token) == (names, [2, 1, 2], "")
    assert len((await listed(shop)).campaigns) == 5
    with refused("INVALID_FIELD") as failure:
        await listed(shop, page_size=-1)
    assert failure.metadata == {"field": "page_size"}


async def test_only_campaigns_that_are_on_are_listed_where_asked_for(shop: Client) -> None:
    await create(shop, with_(campaign_id="ever"))
    await create(shop, with_(campaign_id="now", start_time=at(YESTERDAY), end_time=at(TOMORROW)))
    await create(shop, with_(campaign_id="later", start_time=at(TOMORROW)))
    await create(shop, with_(campaign_id="over", end_time=at(YESTERDAY)))

    async def on(time: datetime) -> list[str]:
        page = await listed(shop, active_time=at(time))
        return [campaign.campaign_id for campaign in page.campaigns]

    # A window has its beginning, and not its end.
    assert await on(NOW) == ["ever", "now"]
    assert await on(TOMORROW) == ["ever", "later"]
    assert await on(YESTERDAY) == ["ever", "now"]
    assert await on(YESTERDAY - timedelta(seconds=1)) == ["ever", "over"]
    token = (await listed(shop, page_size=1, active_time=at(NOW))).next_page_token
    for filters in ({}, {"active_time": at(TOMORROW)}):
        with refused("INVALID_FIELD") as failure:
            await listed(shop, page_token=token, **filters)
        assert failure.metadata == {"field": "page_token"}
    with refused("INVALID_FIELD") as failure:
        await listed(shop, active_time=Timestamp(nanos=-1))
    assert failure.metadata == {"field": "active_time"}


async def test_a_page_of_large_campaigns_fits_into_a_message(shop: Client) -> None:
    ids = [f"{number:03}{'🎰' * 125}" for number in range(1_000)]
    filters = ("product_ids", "categories", "collections", "merchant_ids", "branch_ids")
    names = [f"c{number}" for number in range(9)]
    for name in names:
        await create(shop, with_(campaign_id=name, **dict.fromkeys(filters, ids)))

    found: list[str] = []
    token, pages = "", 0
    while not pages or token:
        page = await listed(shop, page_token=token)
        found += [campaign.campaign_id for campaign in page.campaigns]
        token, pages = page.next_page_token, pages + 1

    assert found == names
    assert pages > 1


async def test_a_campaign_ends_now_and_only_once(shop: Client) -> None:
    await create(shop, with_(start_time=at(YESTERDAY)))

    ended = await end(shop, "c")

    assert not ended.replayed
    assert abs(time_of(ended.campaign.end_time) - datetime.now(UTC)) < timedelta(minutes=1)
    assert await campaign_of(shop, "c") == ended.campaign
    again = await end(shop, "c")
    assert again.replayed
    assert again.campaign == ended.campaign
    assert not (await listed(shop, active_time=ended.campaign.end_time)).campaigns
    assert (await listed(shop, active_time=at(YESTERDAY))).campaigns


async def test_a_campaign_whose_window_is_over_stays_as_it_is(shop: Client) -> None:
    created = await create(shop, with_(end_time=at(YESTERDAY)))
    answer = await end(shop, "c")
    assert answer.replayed
    assert answer.campaign == created.campaign


async def test_a_campaign_that_is_ended_before_it_begins_never_begins(shop: Client) -> None:
    await create(shop, with_(start_time=at(TOMORROW), end_time=at(TOMORROW + timedelta(days=9))))

    ended = await end(shop, "c")

    assert not ended.replayed
    for time in (NOW, TOMORROW, TOMORROW + timedelta(days=1)):
        assert not (await listed(shop, active_time=at(time))).campaigns
    assert (await end(shop, "c")).replayed


async def test_a_campaign_ends_once_whoever_ends_it(
    shop: Client, second_server: PurserProcess
) -> None:
    await create(shop, with_())
    async with beside(shop, second_server) as elsewhere:
        answers = await together(end((shop, elsewhere)[number % 2], "c") for number in range(12))
    assert [answer.replayed for answer in answers].count(False) == 1
    assert len({answer.campaign.SerializeToString() for answer in answers}) == 1


async def test_so_many_campaigns_may_stand_and_no_more(
    shop: Client, postgres: EmbeddedPostgres
) -> None:
    first = with_(campaign_id="first")
    await create(shop, first)
    async with connected(postgres.url) as connection:
        await connection.execute(
            "INSERT INTO campaigns (operator_no, campaign_id, content)"
            " SELECT c.operator_no, 'more' || n, c.content"
            " FROM campaigns c JOIN operators o USING (operator_no), generate_series(2, $2) AS n"
            " WHERE o.operator_id = $1",
            shop.operator_id,  # type: ignore[attr-defined]
            MOST_CAMPAIGNS,
        )
    with refused("INVALID_FIELD") as failure:
        await create(shop, with_(campaign_id="last"))
    assert failure.metadata == {"field": "campaign"}
    with refused("CAMPAIGN_NOT_FOUND"):
        await campaign_of(shop, "last")
    await end(shop, "first")
    assert not (await create(shop, with_(campaign_id="last"))).replayed
    assert (await create(shop, first)).replayed


async def test_what_does_not_exist_is_not_found(shop: Client) -> None:
    for attempt in (campaign_of, end):
        with refused("CAMPAIGN_NOT_FOUND") as failure:
            await attempt(shop, "unknown")
        assert failure.metadata == {"campaign_id": "unknown"}
        with refused("INVALID_FIELD") as failure:
            await attempt(shop, "")
        assert failure.metadata == {"field": "campaign_id"}


async def test_another_operators_campaigns_do_not_exist(
    installation: Installation, shop: Client
) -> None:
    stranger = await installation.new_casino(LOYALTY)
    created = await create(shop, everything())

    assert not (await listed(stranger)).campaigns
    for attempt in (campaign_of, end):
        with refused("CAMPAIGN_NOT_FOUND"):
            await attempt(stranger, "double")
    # The ids of one are free to the other.
    assert not (await create(stranger, with_(campaign_id="double"))).replayed
    await end(stranger, "double")
    assert await campaign_of(shop, "double") == created.campaign
    await create(shop, with_(campaign_id=new_id("campaign")))
    token = (await listed(shop, page_size=1)).next_page_token
    with refused("INVALID_FIELD"):
        await listed(stranger, page_token=token)
