"""Accept headers as real clients send them."""

import pytest

from netemu.core.apiserver.negotiation import JSON, PROTOBUF, Form, Representation, negotiate
from netemu.errors import ApiError

TABLE = Representation(JSON, Form.TABLE, "v1")
OBJECT = Representation(JSON)

HEADERS = {
    "": OBJECT,
    "*/*": OBJECT,
    "application/json, */*": OBJECT,
    # kubectl get
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json": TABLE,
    "application/json;g=meta.k8s.io;v=v1;as=Table": TABLE,
    "application/json; as=Table; v=v1beta1; g=meta.k8s.io": Representation(
        JSON, Form.TABLE, "v1beta1"
    ),
    # controllers and kubectl 1.32
    "application/vnd.kubernetes.protobuf,application/json": OBJECT,
    "application/vnd.kubernetes.protobuf, */*": OBJECT,
    "application/vnd.kubernetes.protobuf": Representation(PROTOBUF),
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json": Representation(
        JSON, Form.PARTIAL_LIST, "v1"
    ),
    # unknown views are passed over
    "application/json;as=Poem;g=meta.k8s.io;v=v1,application/json": OBJECT,
    "application/json;as=Table;g=meta.k8s.io;v=v9,application/json": OBJECT,
    # a browser
    "text/html,application/xml;q=0.9,*/*;q=0.8": OBJECT,
    "application/json;q=0.5,application/yaml": Representation("application/yaml"),
    # discovery
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json": Representation(
        JSON, Form.DISCOVERY, "v2"
    ),
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json": Representation(
        JSON, Form.DISCOVERY, "v2beta1"
    ),
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf": Representation(
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    ),
}


@pytest.mark.parametrize(("header", "expected"), HEADERS.items())
def test_the_first_range_that_we_serve_wins(header, expected):
    """Parameters count in any order; protobuf is the last resort."""
    assert negotiate(header) == expected


@pytest.mark.parametrize(
    "header", ["text/html", "application/json;as=Poem", "application/json;q=0"]
)
def test_406_only_when_nothing_matches(header):
    """The reply says what would be accepted."""
    with pytest.raises(ApiError, match="only the following media types are accepted") as caught:
        negotiate(header)
    assert (caught.value.code, caught.value.reason) == (406, "NotAcceptable")


def test_the_content_type_of_discovery_repeats_what_was_asked():
    """Otherwise clients do not recognise the document."""
    found = negotiate("application/json;as=APIGroupDiscoveryList;v=v2beta1;g=apidiscovery.k8s.io")
    assert found.content_type == (
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
    )
    assert found.api_version == "apidiscovery.k8s.io/v2beta1"
