"""Method by role over real gRPC: every cell, and every kind of credential."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from joserfc.jwk import KeySet

from inspector.access.audit.files import LOG_FILE, lines_of
from inspector.access.audit.log import AuditLog
from inspector.access.audit.record import parsed
from inspector.access.principal import LOCAL
from inspector.access.provider import Provider
from inspector.access.roles import ACTIONS, Role
from inspector.access.settings import AccessSettings, RateSettings
from inspector.access.sign_in import SignInUnavailableError
from inspector.access.tokens import TokenFile
from inspector.client.aio import AsyncClient
from inspector.client.client import Client, ClientError, ClientTls, WatchOptions
from inspector.client.token import ClientToken, TokenError
from inspector.gateway.certificates import TlsFiles
from inspector.gateway.guard import METHOD_ACTIONS
from inspector.gateway.server import SERVICE, Gateway, GatewayError, check_exposure
from inspector.gateway.settings import GatewaySettings
from protos.inspection.v1 import service_pb2 as pb
from protos.inspection.v1.records_pb2 import Feedback, Inspection, Label
from protos.inspection.v1.service_pb2_grpc import InspectionServiceStub
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.records import Record
from tests.inspector.access.people import (
    OIDC,
    OwnProvider,
    expired_token,
    revoked_token,
    served,
    tokens_of_all_roles,
)
from tests.inspector.gateway.conftest import SETTINGS
from tests.inspector.gateway.memory_log import MemoryLog
from tests.waiting import until

Gateways = Callable[..., Gateway]
OPEN_SETTINGS = RateSettings(sign_ins_per_minute=10_000.0)
INSPECTION = Inspection(line="a", station="s0", piece_id="000001")
ACTION_OF = {path.rpartition("/")[2]: action for path, action in METHOD_ACTIONS.items()} | {
    "reflection": "service.reflect"
}
Metadata = Sequence[tuple[str, str]]


def call(channel: grpc.Channel, method: str, metadata: Metadata = ()) -> grpc.StatusCode:
    """How the gateway answers the call."""
    try:
        CALLS[method](channel, {"metadata": metadata, "timeout": 30.0})
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def service(channel: grpc.Channel) -> InspectionServiceStub:
    return InspectionServiceStub(channel)


def watch_once(channel: grpc.Channel, more: Mapping[str, Any]) -> None:
    watch = service(channel).WatchVerdicts(pb.WatchVerdictsRequest(), **more)
    next(iter(watch))
    watch.cancel()


def give_feedback(channel: grpc.Channel, more: Mapping[str, Any]) -> None:
    finding = Feedback(inspection=INSPECTION, label=Label.LABEL_OK, author="somebody else")
    service(channel).SubmitFeedback(pb.SubmitFeedbackRequest(feedback=finding), **more)


def reflect(channel: grpc.Channel, more: Mapping[str, Any]) -> None:
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    list(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([ask]), **more))


CALLS: Mapping[str, Callable[[grpc.Channel, Mapping[str, Any]], object]] = {
    "Inspect": lambda on, more: service(on).Inspect(pb.InspectRequest(inspection=INSPECTION, product="p"), **more),
    "WatchVerdicts": watch_once,
    "GetVerdict": lambda on, more: service(on).GetVerdict(pb.GetVerdictRequest(inspection=INSPECTION), **more),
    "SubmitFeedback": give_feedback,
    "GetModel": lambda on, more: service(on).GetModel(pb.GetModelRequest(), **more),
    "reflection": reflect,
    "health": lambda on, more: health_pb2_grpc.HealthStub(on).Check(health_pb2.HealthCheckRequest(), **more),
}
METHODS = [*CALLS]


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


@dataclass
class Guarded:
    """A gateway with roles, and what people show to it."""

    channel: grpc.Channel
    gateway: Gateway
    tokens: dict[Role, str]
    file: Path
    audit: Path
    provider: OwnProvider

    def call(self, method: str, metadata: Metadata = ()) -> grpc.StatusCode:
        return call(self.channel, method, metadata)


@pytest.fixture
def guarded(gateways: Gateways, put: Callable[..., Record], tmp_path: Path) -> Iterator[Guarded]:
    put(1)
    file, audit = tmp_path / "tokens.json", tmp_path / "audit"
    tokens = tokens_of_all_roles(file)
    with served() as (provider, oidc):
        access = AccessSettings(token_file=file, oidc=oidc, rates=OPEN_SETTINGS)
        gateway = gateways(access=access, audit=AuditLog(audit), feedback_per_s=1000.0)
        with grpc.insecure_channel(gateway.address) as channel:
            yield Guarded(channel, gateway, tokens, file, audit, provider)


def test_every_method_has_an_action_and_every_action_exists() -> None:
    methods = {f"/{SERVICE}/{method.name}" for method in pb.DESCRIPTOR.services_by_name["InspectionService"].methods}
    reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    assert METHOD_ACTIONS.keys() == methods | {reflection}
    assert set(METHOD_ACTIONS.values()) <= ACTIONS.keys()
    assert {path.rpartition("/")[2] for path in methods} | {"reflection", "health"} == set(METHODS)


def test_the_table_of_methods_and_roles(guarded: Guarded) -> None:
    """Every cell, with a local token and with the provider's."""
    groups = {Role.VIEWER: "watchers", Role.OPERATOR: "line", Role.QUALITY: "lab", Role.ENGINEER: "makers"}
    for method in METHODS:
        for role in Role:
            allowed = method == "health" or role >= ACTIONS[ACTION_OF[method]]
            expected = grpc.StatusCode.OK if allowed else grpc.StatusCode.PERMISSION_DENIED
            signed = guarded.provider.token(groups=[groups[role]])
            for token in (guarded.tokens[role], signed):
                assert guarded.call(method, bearer(token)) is expected, (method, role)


WRONG_SIGNED = ["expired", "another audience", "another issuer", "not yet valid", "another key", "no groups"]
WRONG: Mapping[str, Callable[[Guarded], Metadata]] = {
    "none": lambda _: (),
    "revoked": lambda guarded: bearer(revoked_token(guarded.file)),
    "expired": lambda guarded: bearer(expired_token(guarded.file)),
    "unknown": lambda _: bearer("inspector_00000000_abc"),
    "garbage": lambda _: bearer("garbage"),
    "empty": lambda _: (("authorization", ""),),
    "not a bearer": lambda guarded: (("authorization", f"Basic {guarded.tokens[Role.ENGINEER]}"),),
    "huge": lambda _: bearer("inspector_" + "x" * 7000),
}


@pytest.mark.parametrize("kind", WRONG)
def test_without_a_right_token_only_health_answers(guarded: Guarded, kind: str) -> None:
    metadata = WRONG[kind](guarded)
    for method in METHODS:
        expected = grpc.StatusCode.OK if method == "health" else grpc.StatusCode.UNAUTHENTICATED
        assert guarded.call(method, metadata) is expected, method


@pytest.mark.parametrize("kind", WRONG_SIGNED)
def test_without_a_right_signed_token_only_health_answers(guarded: Guarded, kind: str) -> None:
    now_s, provider = int(time.time()), guarded.provider
    token = {
        "expired": lambda: provider.token(exp=now_s - 1),
        "another audience": lambda: provider.token(aud="canteen"),
        "another issuer": lambda: provider.token(iss="https://elsewhere.example"),
        "not yet valid": lambda: provider.token(nbf=now_s + 600),
        "another key": lambda: provider.token(key=provider.other),
        "no groups": lambda: provider.token(groups=["choir"]),
    }[kind]()
    for method in METHODS:
        expected = grpc.StatusCode.OK if method == "health" else grpc.StatusCode.UNAUTHENTICATED
        assert guarded.call(method, bearer(token)) is expected, method


def test_the_table_of_methods_and_certificates(gateways: Gateways, put: Callable[..., Record], tmp_path: Path) -> None:
    """Mutual TLS: a certificate's common name has a role, or none."""
    put(1)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    names = {role.word: role for role in Role}
    for name in ("127.0.0.1", "stranger", *names):
        issued = authority.issue_cert("127.0.0.1", common_name=name)
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    files = TlsFiles(tmp_path / "127.0.0.1.pem", tmp_path / "127.0.0.1.key", tmp_path / "ca.pem")
    gateway = gateways(tls=files, access=AccessSettings(certificates=names), feedback_per_s=1000.0)
    for name in ("stranger", *names):
        tls = grpc.ssl_channel_credentials(
            *((tmp_path / file).read_bytes() for file in ("ca.pem", f"{name}.key", f"{name}.pem"))
        )
        with grpc.secure_channel(gateway.address, tls) as channel:
            for method in METHODS:
                allowed = method == "health" or (name in names and names[name] >= ACTIONS[ACTION_OF[method]])
                refused = grpc.StatusCode.PERMISSION_DENIED if name in names else grpc.StatusCode.UNAUTHENTICATED
                assert call(channel, method) is (grpc.StatusCode.OK if allowed else refused), (name, method)


@pytest.mark.parametrize("method", METHODS)
def test_on_loopback_without_configuration_everybody_may(
    gateways: Gateways, put: Callable[..., Record], method: str
) -> None:
    put(1)
    with grpc.insecure_channel(gateways().address) as channel:
        assert call(channel, method) is grpc.StatusCode.OK


def test_an_open_gateway_behind_a_proxy_answers_nobody(gateways: Gateways) -> None:
    with grpc.insecure_channel(gateways().address) as channel:
        assert call(channel, "GetModel") is grpc.StatusCode.OK
        assert call(channel, "GetModel", [("x-forwarded-for", "192.0.2.1")]) is grpc.StatusCode.PERMISSION_DENIED


def test_anonymous_callers_have_the_role_that_is_given_to_them(gateways: Gateways, put: Callable[..., Record]) -> None:
    put(1)
    gateway = gateways(access=AccessSettings(allow_anonymous=True, anonymous_role=Role.VIEWER))
    with grpc.insecure_channel(gateway.address) as channel:
        for method in METHODS:
            allowed = method == "health" or ACTIONS[ACTION_OF[method]] is Role.VIEWER
            expected = grpc.StatusCode.OK if allowed else grpc.StatusCode.PERMISSION_DENIED
            assert call(channel, method) is expected
        assert call(channel, "GetModel", bearer("wrong")) is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("tls", [False, True])
def test_a_gateway_that_others_reach_needs_roles_or_a_word_that_it_has_none(tls: bool) -> None:
    files = TlsFiles(Path("cert"), Path("key")) if tls else None
    settings = GatewaySettings(listen="0.0.0.0:0", tls=files, allow_insecure=True)
    with pytest.raises(GatewayError, match="nobody has a role"):
        check_exposure(settings)
    for access in (
        AccessSettings(allow_anonymous=True),
        AccessSettings(token_file=Path("tokens")),
        AccessSettings(certificates={"a": Role.VIEWER}),
    ):
        check_exposure(replace(settings, access=access))
    with pytest.raises(GatewayError, match="nobody has a role"):
        check_exposure(replace(settings, access=AccessSettings(os_users={"a": Role.VIEWER})))


def feedback_of(log: MemoryLog) -> Feedback:
    (record,) = log.others
    return Feedback.FromString(record.value)


def test_the_author_of_feedback_is_who_signed_in_whatever_the_caller_writes(guarded: Guarded, log: MemoryLog) -> None:
    assert guarded.call("SubmitFeedback", bearer(guarded.tokens[Role.OPERATOR])) is grpc.StatusCode.OK
    stored = feedback_of(log)
    assert (stored.author, stored.author_proof) == ("operator-1", "token")
    record, _ = parsed(list(lines_of(guarded.audit / LOG_FILE))[-1])
    assert (record.name, record.action, record.target) == ("operator-1", "feedback.give", "a/s0/000001/0")


def test_on_loopback_without_configuration_the_author_is_what_the_caller_writes_and_is_not_proven(
    gateways: Gateways, put: Callable[..., Record], log: MemoryLog
) -> None:
    put(1)
    finding = Feedback(inspection=INSPECTION, label=Label.LABEL_OK, author="lee", author_proof="certificate")
    with Client(gateways().address) as client:
        client.submit_feedback(finding)
    stored = feedback_of(log)
    assert (stored.author, stored.author_proof) == ("lee", "")


def test_an_anonymous_author_has_no_name_of_their_choice(
    gateways: Gateways, put: Callable[..., Record], log: MemoryLog
) -> None:
    put(1)
    access = AccessSettings(allow_anonymous=True, anonymous_role=Role.OPERATOR)
    with grpc.insecure_channel(gateways(access=access).address) as channel:
        assert call(channel, "SubmitFeedback") is grpc.StatusCode.OK
    stored = feedback_of(log)
    assert (stored.author, stored.author_proof) == ("anonymous", "")


def test_feedback_that_cannot_be_recorded_is_not_stored(guarded: Guarded, log: MemoryLog) -> None:
    (guarded.audit / LOG_FILE).unlink()
    (guarded.audit / LOG_FILE).mkdir()
    token = bearer(guarded.tokens[Role.OPERATOR])
    assert guarded.call("SubmitFeedback", token) is grpc.StatusCode.UNAVAILABLE
    assert not log.others


def test_a_token_revoked_while_the_gateway_runs_is_refused_from_then_on(guarded: Guarded) -> None:
    tokens = TokenFile(guarded.file)
    token, shown = tokens.add("kim", Role.VIEWER, "test")
    assert guarded.call("GetModel", bearer(shown)) is grpc.StatusCode.OK
    tokens.revoke(token.id)
    assert guarded.call("GetModel", bearer(shown)) is grpc.StatusCode.UNAUTHENTICATED


def test_a_watcher_whose_token_is_revoked_ends_at_the_next_check_and_one_whose_token_holds_misses_nothing(
    gateways: Gateways, put: Callable[..., Record], tmp_path: Path
) -> None:
    file = tmp_path / "tokens.json"
    tokens = TokenFile(file)
    (gone, shown_gone), (_, shown) = tokens.add("gone", Role.VIEWER, "t"), tokens.add("stays", Role.VIEWER, "t")
    gateway = gateways(access=AccessSettings(token_file=file), recheck_s=0.3)
    with (
        Client(gateway.address, token=ClientToken(shown)) as staying,
        Client(gateway.address, token=ClientToken(shown_gone)) as going,
    ):
        watch = iter(staying.watch(WatchOptions(earliest=True)))
        tokens.revoke(gone.id)
        with pytest.raises(ClientError) as refused:
            list(going.watch())
        assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED
        pieces = _watched(watch, put, lambda: _num_rechecks(gateway) >= 3)
    assert pieces == [f"{number:06d}" for number in range(len(pieces))]


def _num_rechecks(gateway: Gateway) -> float:
    """Watches that were ended to be opened again."""
    return gateway._metrics.refused.labels("WatchVerdicts", "UNAVAILABLE")._value.get()


def _watched(
    watch: Iterator[tuple[Verdict, bytes]], put: Callable[..., Record], is_done: Callable[[], bool]
) -> list[str]:
    pieces: list[str] = []
    while not is_done():
        put(len(pieces))
        pieces.append(next(watch)[0].inspection.piece_id)
    return pieces


def test_failed_sign_ins_are_limited_and_recorded_without_filling_the_log(gateways: Gateways, tmp_path: Path) -> None:
    file, audit = tmp_path / "tokens.json", tmp_path / "audit"
    shown = tokens_of_all_roles(file)[Role.VIEWER]
    access = AccessSettings(token_file=file, rates=RateSettings(sign_ins_per_minute=5.0))
    gateway = gateways(access=access, audit=AuditLog(audit))
    with grpc.insecure_channel(gateway.address) as channel:
        codes = [call(channel, "GetModel", bearer("inspector_00000000_x")) for _ in range(50)]
        assert codes[:5] == [grpc.StatusCode.UNAUTHENTICATED] * 5
        assert set(codes[6:]) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert call(channel, "GetModel", bearer(shown)) is grpc.StatusCode.OK, "others' failures lock nobody out"
        assert call(channel, "health") is grpc.StatusCode.OK
    until(lambda: len(list(lines_of(audit / LOG_FILE))) == 2)
    record, _ = parsed(list(lines_of(audit / LOG_FILE))[-1])
    assert (record.action, record.target) == ("sign-in.failed", "127.0.0.1")


def test_a_provider_that_is_away_is_unavailable_and_not_a_refusal(gateways: Gateways) -> None:
    with served() as (provider, oidc):
        token = provider.token()
    with grpc.insecure_channel(gateways(access=AccessSettings(oidc=oidc)).address) as channel:
        assert call(channel, "GetModel", bearer(token)) is grpc.StatusCode.UNAVAILABLE


def test_a_local_token_does_not_wait_for_the_keys_of_a_provider(
    gateways: Gateways, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered = Event(), Event()

    def keys(*_: object, **__: object) -> KeySet:
        asked.set()
        answered.wait(60.0)
        raise SignInUnavailableError("the provider does not answer")

    monkeypatch.setattr(Provider, "keys", keys)
    shown = tokens_of_all_roles(tmp_path / "tokens.json")[Role.VIEWER]
    gateway = gateways(access=AccessSettings(token_file=tmp_path / "tokens.json", oidc=OIDC))
    with grpc.insecure_channel(gateway.address) as channel, ThreadPoolExecutor(4) as callers:
        waiting = [callers.submit(call, channel, "GetModel", bearer("a.b.c")) for _ in range(4)]
        assert asked.wait(60.0)
        try:
            assert call(channel, "GetModel", bearer(shown)) is grpc.StatusCode.OK
        finally:
            answered.set()
        assert {each.result() for each in waiting} <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_clients_show_their_token(guarded: Guarded, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text(guarded.tokens[Role.VIEWER] + "\n")
    with Client(guarded.gateway.address, token=ClientToken(file=file)) as client:
        assert client.model().bundle == "demo"
        assert client.verdict(INSPECTION).inspection == INSPECTION
    async with AsyncClient(guarded.gateway.address, token=ClientToken(guarded.tokens[Role.VIEWER])) as client_a:
        assert (await client_a.model()).bundle == "demo"
    with (
        Client(guarded.gateway.address, token=ClientToken(guarded.tokens[Role.VIEWER])) as client,
        pytest.raises(ClientError, match=r"viewer-1 is viewer, and feedback\.give needs operator") as refused,
    ):
        client.submit_feedback(Feedback(inspection=INSPECTION, label=Label.LABEL_OK))
    assert refused.value.code is grpc.StatusCode.PERMISSION_DENIED


def test_a_client_does_not_show_its_token_unencrypted_to_another_machine() -> None:
    with pytest.raises(TokenError, match="without TLS"):
        Client("gateway.example:50051", token=ClientToken("x"))
    Client("gateway.example:50051", token=ClientToken("x", allow_insecure=True)).close()
    Client("gateway.example:50051", ClientTls(Path(__file__)), ClientToken("x")).close()


def test_a_token_that_notepad_saved_with_a_mark_is_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\r\n", encoding="utf-8-sig")
    assert ClientToken(file=tmp_path / "token").text == "abc"


@pytest.mark.parametrize("text", ["", "\n", "a\nb", "\xff"])
def test_a_file_that_holds_no_token_is_an_error_that_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(TokenError, match="holds no token"):
        ClientToken(file=file).metadata  # noqa: B018


def test_local_is_a_name_that_nobody_has_proven() -> None:
    assert not LOCAL.is_proven
    assert SETTINGS.access == AccessSettings()


def test_an_id_that_a_caller_chooses_is_never_that_of_the_review_desk(
    gateways: Gateways, put: Callable[..., Record], log: MemoryLog
) -> None:
    put(1)
    finding = Feedback(inspection=INSPECTION, label=Label.LABEL_OK, author="lee", id="token.1")
    with Client(gateways().address) as client:
        client.submit_feedback(finding)
    assert feedback_of(log).id == "client/token.1"
