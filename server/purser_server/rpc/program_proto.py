"""Programs and campaigns between messages and the domain, in both directions."""

from __future__ import annotations

from purser.loyalty.v1 import loyalty_pb2
from purser.type.v1.money_pb2 import Money
from purser_server.domain.decimals import parse_quantity, parse_rate
from purser_server.domain.programs import (
    DEFAULT_POINT_VALUE,
    DEFAULT_POINTS_PER_UNIT,
    Campaign,
    LinesMissingPolicy,
    NegativeBalancePolicy,
    Program,
    RewardMode,
    WrittenCampaign,
    WrittenProgram,
)
from purser_server.rpc.checks import time_of
from purser_server.rpc.to_proto import timestamp


def written_program(message: loyalty_pb2.Program) -> WrittenProgram:
    """Return a program, with the defaults where nothing is said."""
    points_per_unit = message.points_per_unit or DEFAULT_POINTS_PER_UNIT
    point_value = message.point_value or DEFAULT_POINT_VALUE
    cash_rate = message.wallet_cash_rate
    program = Program(
        version=0,
        since_time=None,
        currency_code=message.currency_code,
        points_per_unit=parse_rate(points_per_unit),
        point_value=parse_rate(point_value),
        reward_mode=RewardMode(message.reward_mode or RewardMode.POINTS),
        wallet_cash_rate=parse_rate(cash_rate) if cash_rate else 0,
        return_window_days=message.return_window_days,
        points_expire_after_days=message.points_expire_after_days,
        negative_balance_policy=NegativeBalancePolicy(
            message.negative_balance_policy or NegativeBalancePolicy.ALLOW
        ),
        lines_missing_policy=LinesMissingPolicy(
            message.lines_missing_policy or LinesMissingPolicy.CASHBACK_ONLY
        ),
        reward_shipping=message.reward_shipping,
        reward_tax=message.reward_tax,
    )
    return WrittenProgram(program, points_per_unit, point_value, cash_rate)


def program(of: WrittenProgram) -> loyalty_pb2.Program:
    """Return a program."""
    version = of.program
    return loyalty_pb2.Program(
        currency_code=version.currency_code,
        points_per_unit=of.points_per_unit,
        point_value=of.point_value,
        reward_mode=version.reward_mode,  # type: ignore[arg-type]
        wallet_cash_rate=of.wallet_cash_rate,
        return_window_days=version.return_window_days,
        points_expire_after_days=version.points_expire_after_days,
        negative_balance_policy=version.negative_balance_policy,  # type: ignore[arg-type]
        lines_missing_policy=version.lines_missing_policy,  # type: ignore[arg-type]
        reward_shipping=version.reward_shipping,
        reward_tax=version.reward_tax,
        version=version.version,
        update_time=timestamp(of.update_time) if of.update_time is not None else None,
    )


def written_campaign(message: loyalty_pb2.Campaign) -> WrittenCampaign:
    """Return a campaign."""
    quantity = message.min_quantity
    campaign = Campaign(
        campaign_id=message.campaign_id,
        name=message.name,
        multiplier=parse_rate(message.multiplier),
        start_time=time_of(message.start_time) if message.HasField("start_time") else None,
        end_time=time_of(message.end_time) if message.HasField("end_time") else None,
        product_ids=tuple(message.product_ids),
        categories=tuple(message.categories),
        collections=tuple(message.collections),
        merchant_ids=tuple(message.merchant_ids),
        branch_ids=tuple(message.branch_ids),
        min_quantity=parse_quantity(quantity) if quantity else 0,
        min_amount=message.min_amount.minor_units,
        currency_code=message.min_amount.currency_code,
    )
    return WrittenCampaign(campaign, message.multiplier, quantity)


def campaign(of: WrittenCampaign) -> loyalty_pb2.Campaign:
    """Return a campaign; what it does not have stays absent."""
    now = of.campaign
    minimum = Money(currency_code=now.currency_code, minor_units=now.min_amount)
    return loyalty_pb2.Campaign(
        campaign_id=now.campaign_id,
        name=now.name,
        multiplier=of.multiplier,
        start_time=timestamp(now.start_time) if now.start_time is not None else None,
        end_time=timestamp(now.end_time) if now.end_time is not None else None,
        product_ids=now.product_ids,
        categories=now.categories,
        collections=now.collections,
        merchant_ids=now.merchant_ids,
        branch_ids=now.branch_ids,
        min_quantity=of.min_quantity,
        min_amount=minimum if now.currency_code else None,
        create_time=timestamp(of.create_time) if of.create_time is not None else None,
    )
