"""The form of requests: one table says what each field of each message must be.

The comments of the protos tell the same limits to people.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message

from purser.admin.v1 import ledger_service_pb2, operator_service_pb2
from purser.wallet.v1 import player_service_pb2, wallet_service_pb2
from purser_server.domain.errors import Refusal, RefusedError
from purser_server.domain.money import Currencies
from purser_server.rpc import callback_checks, checks
from purser_server.rpc.cashback_limits import CASHBACK_FIELDS
from purser_server.rpc.points_limits import POINTS_FIELDS
from purser_server.rpc.prize_limits import PRIZE_FIELDS
from purser_server.rpc.program_limits import PROGRAM_FIELDS
from purser_server.rpc.refund_limits import REFUND_FIELDS

_PAGE = (("page_size", checks.page_size),)

FIELDS: Mapping[type[Message], tuple[tuple[str, checks.Check], ...]] = {
    player_service_pb2.CreatePlayerRequest: (
        ("player_id", checks.identifier),
        ("currency_codes", checks.some_currencies),
        ("metadata", checks.metadata),
    ),
    player_service_pb2.GetPlayerRequest: (("player_id", checks.identifier),),
    player_service_pb2.UpdatePlayerRequest: (
        ("player_id", checks.identifier),
        ("status", checks.enum),
        ("add_currency_codes", checks.any_currencies),
        ("metadata", checks.metadata),
        ("clear_metadata", checks.nothing_beside),
    ),
    player_service_pb2.ListPlayersRequest: (*_PAGE, ("statuses", checks.enums)),
    wallet_service_pb2.GetBalanceRequest: (
        ("player_id", checks.identifier),
        ("currency_code", checks.optional_currency),
    ),
    wallet_service_pb2.DepositRequest: (
        ("transaction_id", checks.identifier),
        ("player_id", checks.identifier),
        ("amount", checks.positive_money),
        ("metadata", checks.metadata),
    ),
    wallet_service_pb2.WithdrawRequest: (
        ("transaction_id", checks.identifier),
        ("player_id", checks.identifier),
        ("amount", checks.withdrawal),
        ("metadata", checks.metadata),
    ),
    wallet_service_pb2.OpenGameSessionRequest: (
        ("player_id", checks.identifier),
        ("game_id", checks.identifier),
        ("currency_code", checks.currency),
    ),
    wallet_service_pb2.CloseGameSessionRequest: (("session_id", checks.identifier),),
    wallet_service_pb2.BetRequest: (
        ("transaction_id", checks.identifier),
        ("player_id", checks.identifier),
        ("amount", checks.money),
        ("game_id", checks.identifier),
        ("round_id", checks.identifier),
        ("session_id", checks.optional_id),
    ),
    wallet_service_pb2.WinRequest: (
        ("transaction_id", checks.identifier),
        ("player_id", checks.identifier),
        ("amount", checks.money),
        ("game_id", checks.optional_id),
        ("round_id", checks.optional_id),
        ("bet_transaction_id", checks.optional_id),
        ("win_type", checks.enum),
        ("round_id", checks.round_of_win),
    ),
    wallet_service_pb2.RollbackRequest: (
        ("transaction_id", checks.identifier),
        ("player_id", checks.identifier),
        ("original_transaction_id", checks.other_than_itself),
    ),
    wallet_service_pb2.CloseRoundRequest: (
        ("transaction_id", checks.identifier),
        ("player_id", checks.identifier),
        ("game_id", checks.identifier),
        ("round_id", checks.identifier),
    ),
    wallet_service_pb2.GetRoundRequest: (
        ("player_id", checks.identifier),
        ("game_id", checks.identifier),
        ("round_id", checks.identifier),
    ),
    wallet_service_pb2.GetTransactionRequest: (("transaction_id", checks.identifier),),
    wallet_service_pb2.ListTransactionsRequest: (
        ("player_id", checks.optional_id),
        ("round_id", checks.optional_id),
        ("types", checks.enums),
        ("states", checks.enums),
        ("start_time", checks.period),
        *_PAGE,
    ),
    wallet_service_pb2.ExecuteRequest: (("operations", checks.operations),),
    wallet_service_pb2.StreamExecuteRequest: (("operations", checks.operations),),
    wallet_service_pb2.WatchTransactionsRequest: (("after_position", checks.position),),
    operator_service_pb2.CreateOperatorRequest: (
        ("operator_id", checks.identifier),
        ("display_name", checks.text(0, checks.MAX_DISPLAY_NAME)),
        ("currencies", checks.declared_currencies),
    ),
    operator_service_pb2.GetOperatorRequest: (("operator_id", checks.identifier),),
    operator_service_pb2.ListOperatorsRequest: _PAGE,
    operator_service_pb2.UpdateOperatorRequest: (
        ("operator_id", checks.identifier),
        ("display_name", checks.text(0, checks.MAX_DISPLAY_NAME)),
        ("add_currencies", checks.declared_currencies),
        ("callback", callback_checks.callback),
        ("player_messages", checks.player_messages),
    ),
    operator_service_pb2.CreateApiKeyRequest: (
        ("operator_id", checks.identifier),
        ("roles", checks.some_enums),
    ),
    operator_service_pb2.ListApiKeysRequest: (("operator_id", checks.identifier), *_PAGE),
    operator_service_pb2.RevokeApiKeyRequest: (("key_id", checks.identifier),),
    ledger_service_pb2.VerifyLedgerRequest: (("operator_id", checks.optional_id),),
    ledger_service_pb2.GetGameResultRequest: (
        ("operator_id", checks.identifier),
        ("start_time", checks.period),
    ),
    ledger_service_pb2.ListOpenCasesRequest: (("operator_id", checks.optional_id), *_PAGE),
    ledger_service_pb2.GetCaseRequest: (("case_id", checks.identifier),),
    ledger_service_pb2.ResolveCaseRequest: (
        ("case_id", checks.identifier),
        ("decision", checks.some_enum),
        ("note", checks.text(0, checks.MAX_NOTE)),
    ),
    **CASHBACK_FIELDS,
    **POINTS_FIELDS,
    **REFUND_FIELDS,
    **PRIZE_FIELDS,
    **PROGRAM_FIELDS,
}


def validate(request: Message, currencies: Currencies) -> Refusal | None:
    """Refuse the first field of a request that is not as the table says; None when all are."""
    for field, check in FIELDS[type(request)]:
        refusal = check(request, field, currencies)
        if refusal is not None:
            return refusal
    return None


def require_valid(request: Message, currencies: Currencies) -> None:
    """Raise RefusedError for a request that is not as the table says."""
    refusal = validate(request, currencies)
    if refusal is not None:
        raise RefusedError(refusal)
