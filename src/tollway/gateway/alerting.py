"""Everything of alerts, built together: the desk, the sweep, and the two ways out."""

from collections.abc import Callable

from msgspec import Struct

from tollway.config import Config
from tollway.domain.mail import Mailer
from tollway.gateway.alert_desk import AlertDesk
from tollway.gateway.alert_sweep import AlertSweep
from tollway.identity.audit_log import AuditLog
from tollway.storage.database import Database
from tollway.upstream.smtp import SmtpMailer
from tollway.upstream.webhooks import Webhooks


class Alerting(Struct, frozen=True):
    """What a house has of it."""

    desk: AlertDesk
    sweep: AlertSweep
    hooks: Webhooks
    mailer: Mailer | None
    """None: no mail is configured."""

    @property
    def wake_mail(self) -> Callable[[], None] | None:
        """Tells that there is mail to be sent; None: none can be."""
        return self.sweep.wake if self.mailer is not None else None


def open_alerting(database: Database, audit: AuditLog, config: Config, pepper: bytes) -> Alerting:
    """As the configuration says."""
    hooks = Webhooks(config.upstream.fetch_allow)
    mailer = SmtpMailer(config.mail) if config.mail.on else None
    sweep = AlertSweep(database, hooks, mailer, pepper, config.public_url)
    return Alerting(AlertDesk(database, audit, pepper, config.public_url, sweep.wake), sweep, hooks, mailer)
