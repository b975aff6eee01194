"""BYOK secrets: AES-256-GCM under a key of their own, which lies under a ring of keys that can be rotated."""

import asyncio
import base64
import binascii
import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from tollway.config import Config
from tollway.domain.byok import Credential, Sealed
from tollway.domain.content import KeptContent
from tollway.storage.byok import all_credentials, ring_keys_used, set_wrapped
from tollway.storage.contents import content_ring_keys, set_contents_wrapped, stale_contents
from tollway.storage.database import Database, StorageError
from tollway.storage.files import RING_FILE, load_ring, store_ring
from tollway.storage.kept_providers import list_kept_keys, ring_keys_of_kept, set_kept_wrapped

KEY_BYTES, NONCE_BYTES = 32, 12
CONTENTS_AT_ONCE = 200
Place = tuple[str, str, str, int]
"""Workspace, provider, credential id and version: where a secret belongs. Anywhere else it can't be opened."""


class Unreadable(Exception):
    """A secret can't be opened: it was moved or changed, or the ring has lost the key."""


class KeyRing:
    """Keys of the ring, the present one first. New secrets use that one; the others still open what they closed."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise StorageError(f"a key for provider credentials is {KEY_BYTES} bytes in base64, and one is needed")
        self._keys = {key_id(key): key for key in keys}
        self.current = key_id(keys[0])
        self.lock = asyncio.Lock()
        """Held from the closing of a secret until it is written, and while the ring is rotated."""

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._keys)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"

    def add(self, key: bytes) -> None:
        """From now on this key closes what is new."""
        self.current = key_id(key)
        self._keys[self.current] = key

    def seal(self, secret: str, place: Place) -> Sealed:
        """The secret as it may lie in a database."""
        return self.seal_bytes(secret.encode(), place)

    def seal_bytes(self, data: bytes, place: Place) -> Sealed:
        """The same for bytes."""
        data_key = os.urandom(KEY_BYTES)
        return Sealed(self.current, self._wrap(data_key, place), _encrypt(data_key, data, _said(place)))

    def open(self, sealed: Sealed, place: Place) -> str:
        """The secret. Unreadable: it is not the one of this place, or the ring lacks its key."""
        return self.open_bytes(sealed, place).decode()

    def open_bytes(self, sealed: Sealed, place: Place) -> bytes:
        """The same for bytes."""
        return _decrypt(self._unwrap(sealed, place), sealed.data, _said(place))

    def rewrapped(self, credential: Credential) -> Credential:
        """The same secret under the present key of the ring; the secret itself is not opened."""
        return structs.replace(credential, sealed=self.rewrap(credential.sealed, place_of(credential)))

    def rewrap(self, sealed: Sealed, place: Place) -> Sealed:
        """The same data under the present key of the ring."""
        return Sealed(self.current, self._wrap(self._unwrap(sealed, place), place), sealed.data)

    def _wrap(self, data_key: bytes, place: Place) -> bytes:
        return _encrypt(self._keys[self.current], data_key, _said(place, self.current))

    def _unwrap(self, sealed: Sealed, place: Place) -> bytes:
        key = self._keys.get(sealed.ring_key)
        if key is None:
            raise Unreadable(f"the ring has no key {sealed.ring_key}")
        return _decrypt(key, sealed.data_key, _said(place, sealed.ring_key))


async def open_ring(config: Config, database: Database) -> KeyRing:
    """The ring: configured, or a file in the data directory that the first start makes.

    StorageError: secrets are there that none of its keys opens.
    """
    configured = "\n".join(config.byok.ring)
    used = await _used(database)
    if configured:
        source, keys = "byok.ring", read_keys(configured, "byok.ring")
    else:
        source = str(config.data_dir / RING_FILE)
        found = load_ring(config.data_dir)
        if found is None:
            if used:
                raise StorageError(_lost(source, used))
            found = write_keys((new_key(),))
            store_ring(config.data_dir, found)
        keys = read_keys(found, source)
    ring = KeyRing(keys)
    if missing := used - ring.ids:
        raise StorageError(_lost(source, missing))
    return ring


def ring_at_hand(config: Config) -> KeyRing | None:
    """The ring for a command that only reads; None: none was made yet."""
    text = "\n".join(config.byok.ring) or load_ring(config.data_dir)
    return KeyRing(read_keys(text, "the ring")) if text else None


class Rotation(Struct):
    """What a rotation did."""

    secrets: int
    """How many lie under the present key of the ring now that did not before."""
    unreadable: int = 0
    """How many are left as they were, because they open with no key: somebody changed or moved them."""


async def rotate(config: Config, database: Database, ring: KeyRing, *, drop: bool = False) -> Rotation:
    """Puts every secret under a new key of the ring, or under the first of `byok.ring`.

    No secret is opened, and none changes: requests go on. `drop`: keys of the ring that nothing needs any more are
    taken out of its file, after which no older backup of the database can be used; a running server remembers them.
    """
    async with ring.lock:
        keys = () if config.byok.ring else _renewed(config.data_dir, ring)
        stale = [each for each in await all_credentials(database) if each.sealed.ring_key != ring.current]
        wrapped = []
        for each in stale:
            with suppress(Unreadable):
                wrapped.append(ring.rewrapped(each))
        if wrapped:
            await database.write(set_wrapped(wrapped))
        kept, unread = await _rewrap_kept(database, ring)
        contents, lost = await _rewrap_contents(database, ring)
        if drop and keys:
            needed = {ring.current, *await _used(database)}
            store_ring(config.data_dir, write_keys(tuple(key for key in keys if key_id(key) in needed)))
    return Rotation(len(wrapped) + kept + contents, len(stale) - len(wrapped) + unread + lost)


async def _rewrap_kept(database: Database, ring: KeyRing) -> tuple[int, int]:
    """The keys of providers that the operator added: how many lie under the present key now; how many do not open."""
    stale = [each for each in await list_kept_keys(database) if each.sealed.ring_key != ring.current]
    wrapped = []
    for each in stale:
        with suppress(Unreadable):
            wrapped.append(structs.replace(each, sealed=ring.rewrap(each.sealed, each.place)))
    if wrapped:
        await database.write(set_kept_wrapped(wrapped))
    return len(wrapped), len(stale) - len(wrapped)


async def _rewrap_contents(database: Database, ring: KeyRing) -> tuple[int, int]:
    """Kept prompts and answers, some at once: how many lie under the present key now, and how many open with none."""
    done = lost = 0
    after: tuple[str, str] = ("", "")
    while found := await stale_contents(database, ring.current, after, CONTENTS_AT_ONCE):
        wrapped = []
        for each in found:
            try:
                wrapped.append(structs.replace(each, sealed=ring.rewrap(each.sealed, content_place(each))))
            except Unreadable:
                lost += 1
        if wrapped:
            await database.write(set_contents_wrapped(wrapped))
        done += len(wrapped)
        after = found[-1].workspace_id, found[-1].generation_id
    return done, lost


async def _used(database: Database) -> set[str]:
    """The ids of the ring's keys without which something could not be opened."""
    kept = await ring_keys_of_kept(database)
    return await ring_keys_used(database) | await content_ring_keys(database) | kept


def content_place(content: KeptContent) -> Place:
    """Where a kept prompt and answer belong: to their workspace and their generation. No provider has such a name."""
    return content.workspace_id, "generation content", content.generation_id, 1


def _renewed(data_dir: Path, ring: KeyRing) -> tuple[bytes, ...]:
    """A new key comes first in the file, then in memory: what is closed with it must be openable for ever."""
    keys = (new_key(), *read_keys(load_ring(data_dir) or "", str(data_dir / RING_FILE)))
    store_ring(data_dir, write_keys(keys))
    ring.add(keys[0])
    return keys


def place_of(credential: Credential) -> Place:
    """Where its secret belongs."""
    return credential.workspace_id, credential.provider, credential.id, credential.version


def _lost(source: str, missing: set[str]) -> str:
    return (
        f"{source} lacks the key {', '.join(sorted(missing))}, without which keys of providers can't be "
        "read: restore it from a backup"
    )


def key_id(key: bytes) -> str:
    """A ring key's name, which tells nothing of it."""
    return hashlib.sha256(b"tollway byok ring" + key).hexdigest()[:16]


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def read_keys(text: str, source: str) -> tuple[bytes, ...]:
    """Keys in base64, one a line, the present one first. StorageError: some line is none."""
    try:
        keys = tuple(base64.b64decode(line, validate=True) for line in text.split())
    except (binascii.Error, ValueError):
        raise StorageError(f"{source}: not a list of keys in base64; restore it from a backup") from None
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise StorageError(f"{source}: each line is a key of {KEY_BYTES} bytes in base64; restore it from a backup")
    return keys


def write_keys(keys: tuple[bytes, ...]) -> str:
    """As `read_keys` reads them."""
    return "".join(base64.b64encode(key).decode() + "\n" for key in keys)


def _said(place: Place, ring_key: str = "") -> bytes:
    """What is authenticated with a secret: as a JSON list, so that no two places look alike."""
    return msgspec.json.encode((*place, ring_key))


def _encrypt(key: bytes, data: bytes, said: bytes) -> bytes:
    # Imported where a secret is there: it takes 50 ms, which every other start and command would pay.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, said)


def _decrypt(key: bytes, data: bytes, said: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], said)
    except (InvalidTag, ValueError):
        raise Unreadable("it was changed, or belongs elsewhere") from None
