"""Buying credits: orders, payment providers and their events, refunds, chargebacks, expiry, codes, receipts."""
