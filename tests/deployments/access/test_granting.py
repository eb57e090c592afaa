"""No key can do more than what made it."""

import pytest

from deployments.access.api_keys import is_secret_of, principal_by_key, split_key
from deployments.access.granting import NotGranted, WantedKey, grant_key, may_manage
from deployments.access.principal import LOCAL, Credential, Principal

NOW = 1_700_000_000_000
USER = Principal("acme", "ada", credential=Credential("key", "k", NOW + 1000))
ADMIN = Principal("acme", "boss", frozenset({"user", "admin"}))
READING_ADMIN = Principal("acme", "boss", frozenset({"user", "admin"}), frozenset({"read"}))
OPERATOR = Principal("ops", "olga", frozenset({"operator"}))


def test_a_key_shows_its_id_and_hides_its_secret() -> None:
    kept, text = grant_key(LOCAL, WantedKey(tenant="acme", user="ada"), NOW)
    parts = split_key(text)
    assert parts is not None
    key_id, secret = parts
    assert text == f"rl_{kept.id}_{secret}"
    assert key_id == kept.id
    assert len(secret) == 43
    assert secret not in repr(kept)
    assert is_secret_of(secret, kept)
    assert not is_secret_of(secret[:-1] + "!", kept)
    assert not is_secret_of(secret, None)
    assert not is_secret_of("", None)
    assert (principal_by_key(kept).id, principal_by_key(kept).roles) == ("acme/ada", {"user"})
    assert grant_key(LOCAL, WantedKey(tenant="acme", user="ada"), NOW)[1] != text


def test_ones_own_key_has_ones_own_roles_and_does_not_outlive_its_maker() -> None:
    kept, _ = grant_key(USER, WantedKey(expires_at=NOW + 5000), NOW)
    assert (kept.principal, kept.roles, kept.expires_at) == ("acme/ada", ("user",), NOW + 1000)
    assert grant_key(USER, WantedKey(expires_at=NOW + 5), NOW)[0].expires_at == NOW + 5
    assert grant_key(ADMIN, WantedKey(), NOW)[0].roles == ("admin", "user")
    assert grant_key(ADMIN, WantedKey(), NOW)[0].expires_at is None
    assert grant_key(USER, WantedKey(scopes=frozenset({"read"})), NOW)[0].scopes == ("read",)


@pytest.mark.parametrize(
    ("maker", "wanted"),
    [
        (USER, WantedKey(user="bob")),
        (USER, WantedKey(tenant="evil")),
        (USER, WantedKey(roles=frozenset({"admin"}))),
        (ADMIN, WantedKey(tenant="evil", user="eve")),
        (ADMIN, WantedKey(user="bob", roles=frozenset({"operator"}))),
        (READING_ADMIN, WantedKey(user="bob")),
        (READING_ADMIN, WantedKey(scopes=frozenset({"read", "write"}))),
        (LOCAL, WantedKey(user="ada")),
    ],
)
def test_what_nobody_may_give(maker: Principal, wanted: WantedKey) -> None:
    with pytest.raises(NotGranted):
        grant_key(maker, wanted, NOW)


def test_admins_make_keys_for_their_tenant_and_operators_for_all() -> None:
    assert grant_key(ADMIN, WantedKey(user="bob", roles=frozenset({"admin"})), NOW)[0].principal == "acme/bob"
    made, _ = grant_key(OPERATOR, WantedKey(tenant="evil", user="eve", roles=frozenset({"operator"})), NOW)
    assert (made.principal, made.roles) == ("evil/eve", ("operator",))


def test_who_may_see_and_revoke_a_key() -> None:
    bobs, _ = grant_key(LOCAL, WantedKey(tenant="acme", user="bob"), NOW)
    may = [may_manage(who, bobs) for who in (USER, READING_ADMIN, Principal("evil", "bob"))]
    assert may == [False, False, False]
    assert [may_manage(who, bobs) for who in (Principal("acme", "bob"), ADMIN, OPERATOR, LOCAL)] == [True] * 4
