"""PlayerService: convert, call, convert."""

from __future__ import annotations

from typing import Any

from grpc.aio import ServicerContext

from purser.wallet.v1 import player_service_pb2 as pb
from purser.wallet.v1.player_service_pb2_grpc import PlayerServiceServicer
from purser_server.domain.players import PlayerStatus
from purser_server.rpc import to_proto
from purser_server.rpc.calls import caller
from purser_server.usecases.players import Players
from purser_server.usecases.ports import PlayerChange

Context = ServicerContext[Any, Any]


class PlayerServicer(PlayerServiceServicer):
    """Serves purser.wallet.v1.PlayerService; the operator is the caller's own."""

    def __init__(self, players: Players) -> None:
        self._players = players

    async def CreatePlayer(
        self, request: pb.CreatePlayerRequest, context: Context
    ) -> pb.CreatePlayerResponse:
        """Link a player and make the wallets."""
        (player, balances), replayed = await self._players.create(
            caller().operator, request.player_id, request.currency_codes, request.metadata
        )
        return pb.CreatePlayerResponse(
            player=to_proto.player(player),
            balances=map(to_proto.wallet_balance, balances),
            replayed=replayed,
        )

    async def GetPlayer(
        self, request: pb.GetPlayerRequest, context: Context
    ) -> pb.GetPlayerResponse:
        """Return a player and its balances."""
        player, balances = await self._players.get(caller().operator, request.player_id)
        return pb.GetPlayerResponse(
            player=to_proto.player(player), balances=map(to_proto.wallet_balance, balances)
        )

    async def UpdatePlayer(
        self, request: pb.UpdatePlayerRequest, context: Context
    ) -> pb.UpdatePlayerResponse:
        """Change a player."""
        replace_metadata = bool(request.metadata) or request.clear_metadata
        change = PlayerChange(
            status=PlayerStatus(request.status) if request.status else None,
            add_currency_codes=request.add_currency_codes,
            metadata=request.metadata if replace_metadata else None,
        )
        player, balances = await self._players.update(caller().operator, request.player_id, change)
        return pb.UpdatePlayerResponse(
            player=to_proto.player(player), balances=map(to_proto.wallet_balance, balances)
        )

    async def ListPlayers(
        self, request: pb.ListPlayersRequest, context: Context
    ) -> pb.ListPlayersResponse:
        """Return a page of players, oldest first."""
        statuses = [PlayerStatus(status) for status in request.statuses]
        page, token = await self._players.list(
            caller().operator, statuses, request.page_size, request.page_token
        )
        return pb.ListPlayersResponse(players=map(to_proto.player, page), next_page_token=token)
