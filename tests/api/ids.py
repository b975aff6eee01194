"""Things of a workspace that rows of test_routes.py name, made where they are not there."""

import re
from typing import Any

import msgspec

from tests.api.managed import Row
from tests.support import World, ask
from tollway.domain.alerts import AlertKind, AlertRule
from tollway.domain.budgets import Budget, Interval
from tollway.domain.guardrails import Guardrail, Guards
from tollway.domain.money import NANO
from tollway.domain.people import Member, Role, Workspace
from tollway.gateway.byok_desk import NewCredential
from tollway.identity.actors import OPERATOR
from tollway.identity.ids import new_id
from tollway.storage.alerts import new_rule
from tollway.storage.budgets import set_budget
from tollway.storage.database import Statement
from tollway.storage.guardrails import set_guardrail
from tollway.storage.members import new_workspace, set_member

CHAT = ask()


class Ids:
    """What the rows' paths name: things of a workspace; "home" also has the preset "kept"."""

    def __init__(self, world: World, place: str = "home") -> None:
        self._world, self.place = world, place
        self.secret = world.new_key(place, credits_usd="1")
        answer = world.chat(headers=self.secret.headers)
        world.settled()
        self.own = str(answer.json["id"])
        self.key = world.new_key(place).key.id
        self.member = world.new_user(f"member-{place}", Role.OWNER, place)
        self._count = 0
        self.guardrail = self._new_guardrail()
        budget = Budget(f"budget-{place}", place, Interval.MONTHLY, 90 * NANO, 1, 1)
        world.run(world.house.database.write(set_budget(budget)))
        self.byok = self._new_byok()
        if place == "home":
            assert world.request("POST", "/api/v1/presets/kept/chat/completions", CHAT).status == 200

    def path(self, row: Row) -> str:
        """The row's path with ids in it; what is deleted is made anew each time."""
        new = self._world.new_key(self.place).key.id if "{new_key}" in row.path else ""
        place = self._new_workspace() if "{new_workspace}" in row.path else ""
        guardrail = self._new_guardrail() if "{new_guardrail}" in row.path else self.guardrail
        byok = self._new_byok() if "{new_byok}" in row.path else self.byok
        alert = self._new_alert() if "/alert" in row.path else ""
        named = {"own": self.own, "key": self.key, "byok": byok, "guardrail": guardrail, "member": self.member.id}
        made = {"new_key": new, "new_workspace": place, "new_guardrail": guardrail, "new_byok": byok}
        path = re.sub(r"\bhome\b", self.place, row.path)
        return path.format(**named, **made, new_alert=alert)

    def body(self, row: Row) -> Any:
        """The row's body with ids in it."""
        self._count += 1
        text = msgspec.json.encode(row.body).decode().replace('"home"', f'"{self.place}"')
        count = f"{self.place}-{self._count}"
        return msgspec.json.decode(
            text.replace("{count}", count).replace("{member}", self.member.id).replace("{key}", self.key)
        )

    def _new_guardrail(self) -> str:
        """One that forbids nothing."""
        guardrail = Guardrail(new_id(1), self.place, "Harmless", None, Guards(), 1)
        self._world.run(self._world.house.database.write(set_guardrail(guardrail)))
        return guardrail.id

    def _new_workspace(self) -> str:
        """One that our user owns."""
        self._count += 1
        name = f"{self.place}-{self._count}"
        workspace = Workspace(name, name, "A place", 1)
        owner = set_member(Member(workspace.id, self.member.id, Role.OWNER, 1))
        self._world.run(self._world.house.database.write(*new_workspace(workspace), owner))
        return workspace.id

    def _new_byok(self) -> str:
        """A disabled credential of our workspace."""
        ask = NewCredential("b", "none", workspace_id=self.place, disabled=True)
        house = self._world.house
        return self._world.run(house.byok.create(OPERATOR, ask, house.gateway.now_ms())).id

    def _new_alert(self) -> str:
        """The only alert of our workspace, which has a webhook."""
        house = self._world.house
        sql = "DELETE FROM alert_rules WHERE workspace_id = :id"
        rule = AlertRule(new_id(1), self.place, AlertKind.KEY, self.member.id, 1, percents=(90,), by_hook=True)
        self._world.run(house.database.write(Statement(sql, ({"id": self.place},)), new_rule(rule)))
        self._world.run(house.alerting.desk.set_hook(OPERATOR, self.place, "https://hook.example/x", 1))
        return rule.id
