"""What may have become of a job, as the ledger has it."""

INTENDED = "intended"
"""It is written down, and nothing was sent."""

SENDING = "sending"
"""A request may be on its way: if its process died, or the reply was lost, the service must be asked."""

ABSENT = "absent"
"""The service was asked, and has no such job."""

REFUSED = "refused"
"""The service said no, and nothing was made."""

SUBMITTED = "submitted"
"""The service has it."""

GONE = "gone"
"""The service had it, and does not know it any more."""

DONE = "done"
"""Its results are in the ledger."""

FAILED, CANCELED = "failed", "canceled"
"""The service says so."""
