"""Several gateways of one machine at one address."""

from collections.abc import Callable

import grpc
import pytest

from inspector.gateway.server import Gateway, GatewayError
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.service_pb2 import InspectRequest, InspectResponse
from tests.inspector.gateway.conftest import CountingJudge

OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
REQUEST = InspectRequest(inspection=Inspection(line="a", station="s", piece_id="1"), product="p")


def inspect_once(address: str) -> InspectResponse:
    """Over a connection of its own."""
    with grpc.insecure_channel(address, OWN_CONNECTION) as channel:
        call = channel.unary_unary(
            "/inspection.v1.InspectionService/Inspect", InspectRequest.SerializeToString, InspectResponse.FromString
        )
        answer: InspectResponse = call(REQUEST, timeout=10, wait_for_ready=True)
        return answer


def test_connections_go_to_all_gateways_of_an_address(gateways: Callable[..., Gateway]) -> None:
    judges = CountingJudge(), CountingJudge()
    first = gateways(share_port=True, judge=judges[0])
    gateways(listen=first.address, share_port=True, judge=judges[1])
    for _ in range(40):
        assert inspect_once(first.address).verdict.inspection.piece_id == "1"
    assert min(len(judge.seen) for judge in judges) > 0
    first.stop(1.0)
    for _ in range(20):
        inspect_once(first.address)
    assert sum(len(judge.seen) for judge in judges) == 60


def test_an_address_is_shared_only_where_all_agree(gateways: Callable[..., Gateway]) -> None:
    first = gateways(share_port=True)
    with pytest.raises(GatewayError, match="set share_port = true in \\[gateway\\] of every gateway"):
        gateways(listen=first.address)
