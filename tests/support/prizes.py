"""Prizes for tests: a loyalty backend, and what its players have and hear."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from purser.loyalty.v1 import loyalty_pb2
from purser.loyalty.v1 import prize_cashback_service_pb2 as pb
from purser.loyalty.v1.prize_cashback_service_pb2_grpc import PrizeCashbackServiceStub
from purser.type.v1.money_pb2 import Money
from purser.wallet.v1 import player_service_pb2
from tests.support.client import LOYALTY, Client, Installation, eur
from tests.support.databases import connected

CONFIRMED, DENIED, FAILED, PENDING = "CONFIRMED", "DENIED", "FAILED", "PENDING"
GRANTED, RETURN_PENDING, CASHED_BACK = "GRANTED", "RETURN_PENDING", "CASHED_BACK"
SHIPMENT_ORDERED, EXPIRED = "SHIPMENT_ORDERED", "EXPIRED"


def state_of(cashback: Any) -> str:
    """Return the state of a cashback by its short name."""
    name = loyalty_pb2.PrizeCashbackState.Name(cashback.state)
    return name.removeprefix("PRIZE_CASHBACK_STATE_")


@dataclass
class PrizeDesk:
    """Grants, ships and takes back prizes of one operator."""

    client: Client

    @classmethod
    async def of(cls, installation: Installation, operator_id: str) -> PrizeDesk:
        """Return a desk with a key of its own."""
        return cls(await installation.new_client(operator_id, LOYALTY))

    @property
    def stub(self) -> Any:
        """The service."""
        return PrizeCashbackServiceStub(self.client.channel)

    async def grant(
        self,
        player: str,
        prize_id: str = "prize",
        value: Money | None = None,
        *,
        name: str = "A mug",
        lives_s: float | None = None,
        expires: datetime | None = None,
    ) -> Any:
        request = pb.GrantPrizeRequest(
            prize_id=prize_id, player_id=player, name=name, cash_value=value or eur("25.00")
        )
        if lives_s is not None:
            expires = datetime.now(UTC) + timedelta(seconds=lives_s)
        if expires is not None:
            request.expire_time.FromDatetime(expires)
        return await self.stub.GrantPrize(request)

    async def ship(self, player: str, prize_id: str = "prize") -> Any:
        return await self.stub.OrderPrizeShipment(
            pb.OrderPrizeShipmentRequest(player_id=player, prize_id=prize_id)
        )

    async def give_back(
        self, player: str, transaction_id: str = "cashback", prize_id: str = "prize"
    ) -> Any:
        return await self.stub.RequestPrizeCashback(
            pb.RequestPrizeCashbackRequest(
                transaction_id=transaction_id, player_id=player, prize_id=prize_id
            )
        )

    async def hears(
        self, player: str, transaction_id: str = "cashback", prize_id: str = "prize"
    ) -> str:
        """Give a prize back; return the state that the caller hears."""
        answer = await self.give_back(player, transaction_id, prize_id)
        return state_of(answer.prize_cashback)

    async def cashback(self, transaction_id: str = "cashback") -> Any:
        request = pb.GetPrizeCashbackRequest(transaction_id=transaction_id)
        return (await self.stub.GetPrizeCashback(request)).prize_cashback

    async def told(self, transaction_id: str = "cashback") -> str:
        """Return the state of a cashback."""
        return state_of(await self.cashback(transaction_id))

    async def prize(self, prize_id: str = "prize") -> Any:
        return (await self.stub.GetPrize(pb.GetPrizeRequest(prize_id=prize_id))).prize

    async def state(self, prize_id: str = "prize") -> str:
        """Return the state of a prize by its short name."""
        name = loyalty_pb2.PrizeState.Name((await self.prize(prize_id)).state)
        return name.removeprefix("PRIZE_STATE_")

    async def prizes(self, **only: Any) -> Any:
        return await self.stub.ListPrizes(pb.ListPrizesRequest(**only))

    async def cashbacks(self, **only: Any) -> Any:
        return await self.stub.ListPrizeCashbacks(pb.ListPrizeCashbacksRequest(**only))


async def let_all_expire(url: str, operator_id: str) -> None:
    """Let the time of all prizes of an operator have come by now."""
    async with connected(url) as connection:
        done = await connection.execute(
            "UPDATE prizes SET expire_time = now() FROM operators o"
            " WHERE prizes.operator_no = o.operator_no AND o.operator_id = $1",
            operator_id,
        )
    assert done != "UPDATE 0", "there is no prize"


@dataclass
class Scene:
    """A casino in transfer mode, and Ann, who has 10.00."""

    casino: Client
    desk: PrizeDesk
    installation: Installation
    ann: str
    operator_id: str

    async def status(self, status: Any) -> None:
        await self.casino.players.UpdatePlayer(
            player_service_pb2.UpdatePlayerRequest(player_id=self.ann, status=status)
        )

    async def has(self) -> int:
        return await self.casino.balance(self.ann)
