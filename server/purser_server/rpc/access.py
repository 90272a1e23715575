"""Which roles may call which rpc; a call that is not in the table is not served."""

from __future__ import annotations

from collections.abc import Mapping

from purser_server.domain.operators import Role

_PLAY = (Role.GAME, Role.BACKEND)
_MANAGE = (Role.BACKEND,)
_REWARD = (Role.LOYALTY,)
_ADMINISTER = (Role.ADMIN,)

_WALLET = "/purser.wallet.v1.WalletService/"
_PLAYER = "/purser.wallet.v1.PlayerService/"
_PROGRAM = "/purser.loyalty.v1.ProgramService/"
_CASHBACK = "/purser.loyalty.v1.CashbackService/"
_REFUND = "/purser.loyalty.v1.RefundService/"
_OPERATOR = "/purser.admin.v1.OperatorService/"
_POINTS = "/purser.loyalty.v1.PointsService/"
_PRIZES = "/purser.loyalty.v1.PrizeCashbackService/"
_LEDGER = "/purser.admin.v1.LedgerService/"

MAY_CALL: Mapping[str, tuple[Role, ...]] = {
    _PLAYER + "CreatePlayer": _MANAGE,
    _PLAYER + "UpdatePlayer": _MANAGE,
    _PLAYER + "GetPlayer": _PLAY,
    _PLAYER + "ListPlayers": _PLAY,
    _WALLET + "Deposit": _MANAGE,
    _WALLET + "Withdraw": _MANAGE,
    _WALLET + "Bet": _PLAY,
    _WALLET + "Win": _PLAY,
    _WALLET + "Rollback": _PLAY,
    _WALLET + "CloseRound": _PLAY,
    _WALLET + "Execute": _PLAY,
    _WALLET + "StreamExecute": _PLAY,
    _WALLET + "WatchTransactions": _PLAY,
    _WALLET + "OpenGameSession": _PLAY,
    _WALLET + "CloseGameSession": _PLAY,
    _WALLET + "GetBalance": _PLAY,
    _WALLET + "GetRound": _PLAY,
    _WALLET + "GetTransaction": _PLAY,
    _WALLET + "ListTransactions": _PLAY,
    _PROGRAM + "GetProgram": _REWARD,
    _PROGRAM + "UpdateProgram": _REWARD,
    _PROGRAM + "CreateCampaign": _REWARD,
    _PROGRAM + "GetCampaign": _REWARD,
    _PROGRAM + "ListCampaigns": _REWARD,
    _PROGRAM + "EndCampaign": _REWARD,
    _OPERATOR + "CreateOperator": _ADMINISTER,
    _OPERATOR + "GetOperator": _ADMINISTER,
    _OPERATOR + "ListOperators": _ADMINISTER,
    _OPERATOR + "UpdateOperator": _ADMINISTER,
    _OPERATOR + "CreateApiKey": _ADMINISTER,
    _OPERATOR + "ListApiKeys": _ADMINISTER,
    _OPERATOR + "RevokeApiKey": _ADMINISTER,
    _LEDGER + "VerifyLedger": _ADMINISTER,
    _LEDGER + "GetGameResult": _ADMINISTER,
    _LEDGER + "ListOpenCases": _ADMINISTER,
    _LEDGER + "GetCase": _ADMINISTER,
    _LEDGER + "ResolveCase": _ADMINISTER,
    _CASHBACK + "IssueCashback": _REWARD,
    _CASHBACK + "RewardOrder": _REWARD,
    _CASHBACK + "QuoteOrder": _REWARD,
    _CASHBACK + "GetReward": _REWARD,
    _REFUND + "Refund": _REWARD,
    _REFUND + "QuoteRefund": _REWARD,
    _REFUND + "GetRefund": _REWARD,
    _REFUND + "ListRefunds": _REWARD,
    _POINTS + "GetPointsBalance": _REWARD,
    _POINTS + "ListPointsTransactions": _REWARD,
    _POINTS + "HoldPoints": _REWARD,
    _POINTS + "GetHold": _REWARD,
    _POINTS + "ReleaseHold": _REWARD,
    _POINTS + "RedeemPoints": _REWARD,
    _POINTS + "GetRedemption": _REWARD,
    _POINTS + "RefundRedemption": _REWARD,
    _POINTS + "AdjustPoints": _REWARD,
    _PRIZES + "GrantPrize": _REWARD,
    _PRIZES + "GetPrize": _REWARD,
    _PRIZES + "ListPrizes": _REWARD,
    _PRIZES + "OrderPrizeShipment": _REWARD,
    _PRIZES + "RequestPrizeCashback": _REWARD,
    _PRIZES + "GetPrizeCashback": _REWARD,
    _PRIZES + "ListPrizeCashbacks": _REWARD,
}

OPERATION_NEEDS: Mapping[str, tuple[Role, ...]] = {"deposit": _MANAGE, "withdraw": _MANAGE}
"""Operations of Execute that need more than Execute itself."""

OPEN_TO_ALL = ("/grpc.health.v1.Health/", "/grpc.reflection.")
"""Services that need no key."""
