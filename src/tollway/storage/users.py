"""Users, who issuers say they are, and their sessions."""

from tollway.domain.people import Session, User
from tollway.storage.database import Database, Row, Statement, containing

COLUMNS = "id, email, name, created_ms, email_verified, admin, disabled"
SESSION_COLUMNS = "id, user_id, created_ms, seen_ms, fresh_ms, address, user_agent"


def new_user(user: User, password: str | None) -> Statement:
    """ConflictError when written: the e-mail address has a user. `password` is argon2's own string."""
    row = {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "created_ms": user.created_ms,
        "email_verified": int(user.email_verified),
        "admin": int(user.admin),
        "disabled": int(user.disabled),
        "password": password,
    }
    values = ", ".join(f":{name}" for name in row)
    return Statement(f"INSERT INTO users ({COLUMNS}, password) VALUES ({values})", (row,))  # noqa: S608 (constants)


async def find_user(database: Database, user_id: str) -> User | None:
    """A user by id."""
    rows = await database.read(f"SELECT {COLUMNS} FROM users WHERE id = :id", id=user_id)  # noqa: S608 (constants)
    return _user(rows[0]) if rows else None


async def find_user_by(database: Database, id_or_email: str) -> User | None:
    """A user by id or by address."""
    user = await find_user(database, id_or_email)
    if user is None and "@" in id_or_email:
        found = await find_user_with_password(database, id_or_email.strip().lower())
        user = found[0] if found else None
    return user


async def find_user_with_password(database: Database, email: str) -> tuple[User, str | None] | None:
    """A user by e-mail address, and argon2's string of the password: None where there is none."""
    sql = f"SELECT {COLUMNS}, password FROM users WHERE email = :email"  # noqa: S608 (constants)
    rows = await database.read(sql, email=email)
    return (_user(rows[0][:-1]), rows[0][-1]) if rows else None


async def find_user_by_identity(database: Database, issuer: str, subject: str) -> User | None:
    """The user whom this issuer knows as `subject`."""
    columns = ", ".join(f"u.{name}" for name in COLUMNS.split(", "))
    rows = await database.read(
        f"SELECT {columns} FROM users u JOIN user_identities i ON i.user_id = u.id "  # noqa: S608 (constants)
        "WHERE i.issuer = :issuer AND i.subject = :subject",
        issuer=issuer,
        subject=subject,
    )
    return _user(rows[0]) if rows else None


async def list_users(
    database: Database,
    *,
    after: str = "",
    limit: int = 100,
    search: str = "",
    admin: bool | None = None,
    disabled: bool | None = None,
) -> list[User]:
    """Users in the order of their ids, which grow with time: the next page begins after the last id.

    `search`: a part of the e-mail address or the name.
    """
    where, named = ["id > :after"], {"after": after, "limit": limit}
    if search:
        where.append("(email LIKE :search ESCAPE '!' OR LOWER(name) LIKE :search ESCAPE '!')")
        named["search"] = containing(search)
    for name, wanted in (("admin", admin), ("disabled", disabled)):
        if wanted is not None:
            where.append(f"{name} = :{name}")
            named[name] = int(wanted)
    sql = f"SELECT {COLUMNS} FROM users WHERE {' AND '.join(where)} ORDER BY id LIMIT :limit"  # noqa: S608 (constants)
    return [_user(row) for row in await database.read(sql, **named)]


async def has_admin(database: Database) -> bool:
    """Whether the first start's setup is done."""
    return bool(await database.read("SELECT 1 FROM users WHERE admin = 1 LIMIT 1"))


async def other_admin(database: Database, user_id: str) -> bool:
    """Whether somebody else is an admin who can sign in."""
    sql = "SELECT 1 FROM users WHERE admin = 1 AND disabled = 0 AND id <> :id LIMIT 1"
    return bool(await database.read(sql, id=user_id))


def disable_user(user_id: str, disabled: bool) -> Statement:
    sql = "UPDATE users SET disabled = :disabled WHERE id = :id"
    return Statement(sql, ({"id": user_id, "disabled": int(disabled)},))


def make_admin(user_id: str, admin: bool) -> Statement:
    return Statement("UPDATE users SET admin = :admin WHERE id = :id", ({"id": user_id, "admin": int(admin)},))


def set_password(user_id: str, password: str) -> Statement:
    sql = "UPDATE users SET password = :password WHERE id = :id"
    return Statement(sql, ({"id": user_id, "password": password},))


def set_user(user: User) -> Statement:
    """Writes everything of a user that can change. ConflictError: the e-mail address has another user."""
    sql = """
    UPDATE users SET email = :email, name = :name, email_verified = :email_verified, admin = :admin,
    disabled = :disabled WHERE id = :id
    """
    row = {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "email_verified": int(user.email_verified),
        "admin": int(user.admin),
        "disabled": int(user.disabled),
    }
    return Statement(sql, (row,))


def set_profile(user: User) -> Statement:
    """Name and e-mail address. ConflictError: the address has another user."""
    sql = "UPDATE users SET email = :email, name = :name, email_verified = :email_verified WHERE id = :id"
    row = {"id": user.id, "email": user.email, "name": user.name, "email_verified": int(user.email_verified)}
    return Statement(sql, (row,))


def new_identity(user_id: str, issuer: str, subject: str, now_ms: int) -> Statement:
    """ConflictError when written: the issuer's user is somebody already."""
    row = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_ms": now_ms}
    return Statement("INSERT INTO user_identities VALUES (:issuer, :subject, :user_id, :created_ms)", (row,))


async def identities_of(database: Database, user_id: str) -> list[tuple[str, int]]:
    """The issuers that a user may sign in by, and since when, the oldest first."""
    sql = "SELECT issuer, created_ms FROM user_identities WHERE user_id = :id ORDER BY created_ms, issuer"
    return [(issuer, created_ms) for issuer, created_ms in await database.read(sql, id=user_id)]


def drop_identity(user_id: str, issuer: str) -> Statement:
    sql = "DELETE FROM user_identities WHERE user_id = :id AND issuer = :issuer"
    return Statement(sql, ({"id": user_id, "issuer": issuer},))


def new_session(session: Session, digest: bytes) -> Statement:
    row = {
        "digest": digest.hex(),
        "id": session.id,
        "user_id": session.user_id,
        "created_ms": session.created_ms,
        "seen_ms": session.seen_ms,
        "fresh_ms": session.fresh_ms,
        "address": session.address,
        "user_agent": session.user_agent,
    }
    values = ", ".join(f":{name}" for name in row)
    return Statement(f"INSERT INTO sessions (digest, {SESSION_COLUMNS}) VALUES ({values})", (row,))  # noqa: S608 (constants)


async def find_session(database: Database, digest: bytes) -> tuple[Session, User] | None:
    """A session with its user, whatever has become of them."""
    rows = await database.read(
        f"SELECT {SESSION_COLUMNS} FROM sessions WHERE digest = :digest",  # noqa: S608 (constants)
        digest=digest.hex(),
    )
    if not rows:
        return None
    session = Session(*rows[0])
    user = await find_user(database, session.user_id)
    return (session, user) if user else None


async def list_sessions(database: Database, user_id: str) -> list[Session]:
    """A user's sessions, the one seen last first."""
    sql = f"SELECT {SESSION_COLUMNS} FROM sessions WHERE user_id = :id ORDER BY seen_ms DESC, id"  # noqa: S608 (constants)
    return [Session(*row) for row in await database.read(sql, id=user_id)]


def touch_session(session_id: str, seen_ms: int) -> Statement:
    return Statement("UPDATE sessions SET seen_ms = :ms WHERE id = :id", ({"id": session_id, "ms": seen_ms},))


def end_session(session_id: str, user_id: str) -> Statement:
    """Its user's only: another's is like an absent one. RETURNING tells whether there was one."""
    sql = "DELETE FROM sessions WHERE id = :id AND user_id = :user_id RETURNING id"
    return Statement(sql, ({"id": session_id, "user_id": user_id},))


def end_sessions(user_id: str, *, but: str = "") -> Statement:
    """Every session of a user, save the one named."""
    sql = "DELETE FROM sessions WHERE user_id = :id AND id <> :but"
    return Statement(sql, ({"id": user_id, "but": but},))


def end_old_sessions(seen_before_ms: int, created_before_ms: int) -> Statement:
    sql = "DELETE FROM sessions WHERE seen_ms < :seen_ms OR created_ms < :created_ms"
    return Statement(sql, ({"seen_ms": seen_before_ms, "created_ms": created_before_ms},))


def _user(row: Row) -> User:
    id_, email, name, created_ms, verified, admin, disabled = row
    return User(id_, email, name, created_ms, bool(verified), bool(admin), bool(disabled))
