"""The form of requests about programs: the part of the table in `limits` that is theirs."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message

from purser.loyalty.v1 import program_service_pb2
from purser_server.rpc import checks
from purser_server.rpc import loyalty_checks as loyalty

MAX_NAME = 256

_PROGRAM = loyalty.inside(
    ("currency_code", checks.currency),
    ("points_per_unit", loyalty.optional(loyalty.rate)),
    ("point_value", loyalty.optional(loyalty.positive_rate)),
    ("reward_mode", checks.enum),
    ("wallet_cash_rate", loyalty.optional(loyalty.positive_rate)),
    ("negative_balance_policy", checks.enum),
    ("lines_missing_policy", checks.enum),
)

_CAMPAIGN = loyalty.inside(
    ("campaign_id", checks.identifier),
    ("name", checks.text(0, MAX_NAME)),
    ("multiplier", loyalty.positive_rate),
    ("start_time", loyalty.optional(loyalty.moment)),
    ("end_time", loyalty.optional(loyalty.moment)),
    ("product_ids", loyalty.filter_ids),
    ("categories", loyalty.filter_ids),
    ("collections", loyalty.filter_ids),
    ("merchant_ids", loyalty.filter_ids),
    ("branch_ids", loyalty.filter_ids),
    ("min_quantity", loyalty.optional(loyalty.quantity)),
    ("min_amount", loyalty.optional(checks.money)),
)

PROGRAM_FIELDS: Mapping[type[Message], tuple[tuple[str, checks.Check], ...]] = {
    program_service_pb2.GetProgramRequest: (),
    program_service_pb2.UpdateProgramRequest: (("program", _PROGRAM),),
    program_service_pb2.CreateCampaignRequest: (("campaign", _CAMPAIGN),),
    program_service_pb2.GetCampaignRequest: (("campaign_id", checks.identifier),),
    program_service_pb2.ListCampaignsRequest: (
        ("page_size", checks.page_size),
        ("active_time", loyalty.optional(loyalty.moment)),
    ),
    program_service_pb2.EndCampaignRequest: (("campaign_id", checks.identifier),),
}
