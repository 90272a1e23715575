"""The form of requests for refunds: what `limits` says of them."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message

from purser.loyalty.v1 import refund_service_pb2 as pb
from purser_server.rpc import checks
from purser_server.rpc import loyalty_checks as loyalty
from purser_server.rpc.cashback_limits import MAX_LINES, MERCHANT

_LINES = loyalty.each(
    MAX_LINES,
    ("line_id", checks.optional_id),
    ("product_id", checks.optional_id),
    ("quantity", loyalty.positive_quantity),
    ("price", loyalty.optional(checks.money)),
)

_REFUND = (
    ("reverse_transaction_id", checks.identifier),
    ("transaction_time", loyalty.happened),
    ("refund_amount", loyalty.optional(checks.money)),
    ("line_items", _LINES),
    ("refund_shipping", loyalty.optional(checks.money)),
    ("merchant", MERCHANT),
)

REFUND_FIELDS: Mapping[type[Message], tuple[tuple[str, checks.Check], ...]] = {
    pb.RefundRequest: (
        ("player_id", checks.identifier),
        ("refund_transaction_id", checks.identifier),
        *_REFUND,
    ),
    pb.QuoteRefundRequest: (("player_id", checks.identifier), *_REFUND),
    pb.GetRefundRequest: (("refund_transaction_id", checks.identifier),),
    pb.ListRefundsRequest: (
        ("player_id", checks.optional_id),
        ("reverse_transaction_id", checks.optional_id),
        ("page_size", checks.page_size),
    ),
}
