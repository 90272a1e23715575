"""The form of requests about prizes: what `limits` says of them."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message

from purser.loyalty.v1 import prize_cashback_service_pb2 as pb
from purser_server.rpc import checks
from purser_server.rpc.loyalty_checks import moment, optional

MAX_NAME = 256

PRIZE_FIELDS: Mapping[type[Message], tuple[tuple[str, checks.Check], ...]] = {
    pb.GrantPrizeRequest: (
        ("prize_id", checks.identifier),
        ("player_id", checks.identifier),
        ("name", checks.text(0, MAX_NAME)),
        ("cash_value", checks.positive_money),
        ("expire_time", optional(moment)),
    ),
    pb.GetPrizeRequest: (("prize_id", checks.identifier),),
    pb.ListPrizesRequest: (
        ("player_id", checks.optional_id),
        ("states", checks.enums),
        ("page_size", checks.page_size),
    ),
    pb.OrderPrizeShipmentRequest: (
        ("prize_id", checks.identifier),
        ("player_id", checks.identifier),
    ),
    pb.RequestPrizeCashbackRequest: (
        ("transaction_id", checks.identifier),
        ("player_id", checks.identifier),
        ("prize_id", checks.identifier),
    ),
    pb.GetPrizeCashbackRequest: (("transaction_id", checks.identifier),),
    pb.ListPrizeCashbacksRequest: (
        ("player_id", checks.optional_id),
        ("prize_id", checks.optional_id),
        ("states", checks.enums),
        ("page_size", checks.page_size),
    ),
}
