"""The world that browser tests share: the whole catalog, played; people may sign up; a stand-in sells credits."""

from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher

from tests.payments.fake_stripe import KEY, SECRET, FakeStripe
from tests.payments.test_stripe import stripe_beside, told
from tests.support import World, offer, request, world
from tollway.billing.settings import Billing, CreditPack, Payments
from tollway.cli.traffic import make_month
from tollway.config import Users
from tollway.domain.catalog import Operation
from tollway.domain.chat import ChatRequest
from tollway.domain.identity import Key, KeyKind
from tollway.domain.people import Role, User
from tollway.domain.storefronts import Guest
from tollway.gateway.guardrail_desk import default_guardrail_id
from tollway.identity.passwords import Passwords
from tollway.storage.users import find_user_with_password

PASSWORD = "correct horse battery"
PLACE = "proof"
"""The workspace of the person whose pages are looked at."""
MODEL = "openai/gpt-4o-mini"
"""A model that the journeys ask; the simulator answers."""

SHARE = 0.06
"""Of the demo's month of traffic: what its pages show is there, and quickly made."""

OFFERS = (
    offer("test/model"),
    offer("test/free", "m", free=True),
    offer("test/slow", "slow@latency_ms=400,tokens=40,tokens_per_s=20"),
    offer("test/endless", "endless@tokens=900,tokens_per_s=10"),
    offer("test/cheap", at=("a",), prompt="0.0000001", completion="0.0000002"),
    offer("test/pair", at=("a", "b")),
    offer("test/broken", "m@fail=503"),
    offer("test/embed", "embed", prompt="0.00000002", completion=None, operation=Operation.EMBEDDINGS),
)


class Town:
    """The world, and what stands around it."""

    def __init__(self, place: World, stripe: FakeStripe) -> None:
        self.world = place
        self.stripe = stripe
        month = place.run(make_month(place.house, 1, place.house.gateway.now_ms(), SHARE))
        assert month is not None
        self.password = month.password
        """Of the admin of the month of traffic, who has seen everything."""
        found = place.run(find_user_with_password(place.house.database, month.email))
        assert found is not None
        self.admin: User = found[0]
        self.person: User = place.new_user("proof-person", role=Role.OWNER, workspace=PLACE)
        self.key = place.new_key(PLACE, credits_usd="50", creator=self.person)

    def newcomer(self, name: str, credits_usd: str | None = None) -> User:
        """A person with a workspace of the same name, for one test alone."""
        user = self.world.new_user(name, role=Role.OWNER, workspace=name)
        if credits_usd is not None:
            self.world.run(self.world.stage.grant(name, credits_usd))
        return user

    def buy(self, user: User, place: str, usd: int) -> str:
        """An order that is paid: its id."""
        body = {"amount": usd, "workspace_id": place}
        made = request(self.world.url, "POST", "/account/v1/purchases", body, headers=self.world.signed_in(user))
        assert made.status == 201, made.text
        id_ = str(made.json["data"]["id"])
        self.pay(next(name for name, each in self.stripe.sessions.items() if each["client_reference_id"] == id_))
        return id_

    def places(self) -> dict[str, str]:
        """What stands in the URLs of the list: something of each kind, of the admin's own workspace."""
        own = "SELECT id FROM workspaces WHERE created_by = :user AND personal = 1"
        asked = {
            "workspace": own,
            "order": f"SELECT id FROM orders WHERE workspace_id = ({own})",
            "key": f"SELECT id FROM keys WHERE workspace_id = ({own}) AND deleted_ms IS NULL",
            "generation": f"""SELECT id FROM generations WHERE workspace_id = ({own}) AND cost > 0
                ORDER BY record LIKE '%rate_limited%' DESC, id LIMIT 1""",
        }
        read = self.world.house.database.read
        found = {name: str(self.world.run(read(sql, user=self.admin.id))[0][0]) for name, sql in asked.items()}
        guardrail = default_guardrail_id(found["workspace"])
        return {**found, "guardrail": guardrail, "preset": self.preset(found["workspace"])}

    def preset(self, workspace_id: str) -> str:
        """The slug of one of the workspace's."""
        gateway = self.world.house.gateway
        key = Key("proof", b"", workspace_id, "proof", "", KeyKind.INFERENCE, 1)
        asked = ChatRequest(model="test/model", temperature=0.2)
        return self.world.run(gateway.presets.keep(key, "short", asked, gateway.now_ms()))[0].slug

    def pay(self, session: str) -> None:
        """The customer pays at the checkout, and Stripe tells us so."""
        answer = told(self.world, self.stripe.pay(session))
        assert answer.status == 200, answer.text


@contextmanager
def open_town() -> Iterator[Town]:
    """A town with an admin, a person with credit and a key."""
    with stripe_beside() as (stripe, _):
        payments = Payments(stripe_key=KEY, stripe_webhook_secret=SECRET, stripe_url=stripe.url)
        settings = {
            "users": Users("open", launch_credit_usd="2"),
            "billing": Billing(packs=(CreditPack("starter", "Starter", "10", "12"),)),
        }
        guest = Guest(models=("test/free",))
        with world(*OFFERS, whole_catalog=True, payments=payments, guest=guest, settings=settings) as place:
            place.house.people.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
            yield Town(place, stripe)
