"""What is left of botocore's descriptions still tells the same as all of them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import EndpointVariantError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.regions import EndpointResolver

from archiver.storage.s3.descriptions import Descriptions

ENDPOINTS, SDK_DEFAULTS = "endpoints", "sdk-default-configuration"


@pytest.mark.parametrize("service", ["s3", "sts", "sso", "oidc"])
def test_all_regions_have_the_addresses_that_botocore_gives_them(service: str) -> None:
    """Those that are asked, in all partitions and in all their forms."""
    ours, theirs = (
        EndpointResolver(loader.load_data(ENDPOINTS)) for loader in (Descriptions(), Loader())
    )
    named = [
        (partition, region)
        for partition in theirs.get_available_partitions()
        for region in theirs.get_available_endpoints("s3", partition, allow_non_regional=True)
    ]
    assert len(named) > 50
    for partition, region in named:
        for variant in ({}, {"use_dualstack_endpoint": True}, {"use_fips_endpoint": True}):
            wanted = _address(theirs, service, region, partition, variant)
            assert _address(ours, service, region, partition, variant) == wanted


def _address(
    resolver: EndpointResolver, service: str, region: str, partition: str, variant: dict[str, Any]
) -> str | None:
    """Return the host that is asked; None where there is no such variant."""
    try:
        found = resolver.construct_endpoint(service, region, partition_name=partition, **variant)
    except EndpointVariantError:
        return None
    assert found is not None
    hostname: str = found["hostname"]
    return hostname


def test_the_model_of_s3_is_the_same_but_for_its_documentation() -> None:
    """Operations, their members and how those are sent."""
    ours, theirs = (
        ServiceModel(loader.load_service_model("s3", "service-2"), "s3")
        for loader in (Descriptions(), Loader())
    )
    assert ours.operation_names == theirs.operation_names
    for name in theirs.operation_names:
        one, other = ours.operation_model(name), theirs.operation_model(name)
        assert one.http == other.http
        for found, wanted in (
            (one.input_shape, other.input_shape),
            (one.output_shape, other.output_shape),
        ):
            assert (found is None) == (wanted is None)
            if found is not None and wanted is not None:
                assert found.serialization == wanted.serialization
                assert [(key, shape.type_name) for key, shape in found.members.items()] == [
                    (key, shape.type_name) for key, shape in wanted.members.items()
                ]


def test_what_is_not_there_is_nothing() -> None:
    """A loader is asked for files that there may not be."""
    loader = Descriptions()
    assert loader.load_data(SDK_DEFAULTS)["base"] == Loader().load_data(SDK_DEFAULTS)["base"]
    assert loader.file_loader.load_file("/nowhere/at/all") is None
