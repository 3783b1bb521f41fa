"""What a vendor says of an update long after it took it: that it did not arrive after all."""

from __future__ import annotations

import re
from datetime import datetime

from domain.errors import DeliveryReason
from domain.facts.communication import MessageFailed
from domain.incident import Incident
from domain.messages import Delivery, DeliveryState, Purpose
from domain.paged import DeliveryReceipt

_KEY = re.compile(
    r".+/update/(?P<side>internal|external)/(?P<number>\d{1,9})"
    r"(?:/again-m[0-9a-f]{6})*"
    r"/(?P<recipient>(?:person|stakeholders|audience):[^/]{1,100}(?:/\d{1,6})?)/(?P<channel>[a-z_]{1,40})"
)
"""Of one message of an update, perhaps one that a person had sent again. Pages have keys of another shape."""


def update_bounced(
    incident: Incident, receipt: DeliveryReceipt, now: datetime
) -> list[MessageFailed]:
    """The fact that an update did not reach somebody; none where the receipt is of something else."""
    found = _KEY.fullmatch(receipt.key)
    is_ours = receipt.key.startswith(f"{incident.id}/")
    if receipt.state != "failed" or found is None or not is_ours:
        return []
    is_inside = found["side"] == "internal"
    delivery = Delivery(
        key=receipt.key,
        recipient=found["recipient"],
        channel=found["channel"],
        state=DeliveryState.FAILED,
        reason=DeliveryReason.REJECTED.value,
        detail=receipt.detail[:500],
        at=now,
    )
    return [
        MessageFailed(
            purpose=Purpose.INTERNAL_UPDATE if is_inside else Purpose.EXTERNAL_UPDATE,
            what=f"{found['side'].capitalize()} update {found['number']}",
            will_retry=False,
            deliveries=[delivery],
        )
    ]
