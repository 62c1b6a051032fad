"""core/v1: volume sources of storage systems. netemu stores and returns them, and mounts none."""

from typing import Annotated

from netemu.model.core_v1.references import LocalObjectReference
from netemu.model.wire import ApiStruct, always, always_list


class AWSElasticBlockStoreVolumeSource(ApiStruct):
    volume_id: Annotated[str, 1] = always(str)
    fs_type: Annotated[str, 2] = ""
    partition: Annotated[int, 3] = 0
    read_only: Annotated[bool, 4] = False


class AzureDiskVolumeSource(ApiStruct):
    disk_name: Annotated[str, 1] = always(str)
    disk_uri: Annotated[str, 2] = always(str)
    caching_mode: Annotated[str | None, 3] = None
    fs_type: Annotated[str | None, 4] = None
    read_only: Annotated[bool | None, 5] = None
    kind: Annotated[str | None, 6] = None


class AzureFileVolumeSource(ApiStruct):
    secret_name: Annotated[str, 1] = always(str)
    share_name: Annotated[str, 2] = always(str)
    read_only: Annotated[bool, 3] = False


class CephFSVolumeSource(ApiStruct):
    monitors: Annotated[list[str], 1] = always_list()
    path: Annotated[str, 2] = ""
    user: Annotated[str, 3] = ""
    secret_file: Annotated[str, 4] = ""
    secret_ref: Annotated[LocalObjectReference | None, 5] = None
    read_only: Annotated[bool, 6] = False


class CinderVolumeSource(ApiStruct):
    volume_id: Annotated[str, 1] = always(str)
    fs_type: Annotated[str, 2] = ""
    read_only: Annotated[bool, 3] = False
    secret_ref: Annotated[LocalObjectReference | None, 4] = None


class CSIVolumeSource(ApiStruct):
    driver: Annotated[str, 1] = always(str)
    read_only: Annotated[bool | None, 2] = None
    fs_type: Annotated[str | None, 3] = None
    volume_attributes: Annotated[dict[str, str], 4] = {}
    node_publish_secret_ref: Annotated[LocalObjectReference | None, 5] = None


class FCVolumeSource(ApiStruct):
    target_wwns: Annotated[list[str], 1] = []
    lun: Annotated[int | None, 2] = None
    fs_type: Annotated[str, 3] = ""
    read_only: Annotated[bool, 4] = False
    wwids: Annotated[list[str], 5] = []


class FlexVolumeSource(ApiStruct):
    driver: Annotated[str, 1] = always(str)
    fs_type: Annotated[str, 2] = ""
    secret_ref: Annotated[LocalObjectReference | None, 3] = None
    read_only: Annotated[bool, 4] = False
    options: Annotated[dict[str, str], 5] = {}


class FlockerVolumeSource(ApiStruct):
    dataset_name: Annotated[str, 1] = ""
    dataset_uuid: Annotated[str, 2] = ""


class GCEPersistentDiskVolumeSource(ApiStruct):
    pd_name: Annotated[str, 1] = always(str)
    fs_type: Annotated[str, 2] = ""
    partition: Annotated[int, 3] = 0
    read_only: Annotated[bool, 4] = False


class GitRepoVolumeSource(ApiStruct):
    repository: Annotated[str, 1] = always(str)
    revision: Annotated[str, 2] = ""
    directory: Annotated[str, 3] = ""


class GlusterfsVolumeSource(ApiStruct):
    endpoints: Annotated[str, 1] = always(str)
    path: Annotated[str, 2] = always(str)
    read_only: Annotated[bool, 3] = False


class ISCSIVolumeSource(ApiStruct):
    target_portal: Annotated[str, 1] = always(str)
    iqn: Annotated[str, 2] = always(str)
    lun: Annotated[int, 3] = always(int)
    iscsi_interface: Annotated[str, 4] = ""
    fs_type: Annotated[str, 5] = ""
    read_only: Annotated[bool, 6] = False
    portals: Annotated[list[str], 7] = []
    chap_auth_discovery: Annotated[bool, 8] = False
    chap_auth_session: Annotated[bool, 11] = False
    secret_ref: Annotated[LocalObjectReference | None, 10] = None
    initiator_name: Annotated[str | None, 12] = None


class NFSVolumeSource(ApiStruct):
    server: Annotated[str, 1] = always(str)
    path: Annotated[str, 2] = always(str)
    read_only: Annotated[bool, 3] = False


class PhotonPersistentDiskVolumeSource(ApiStruct):
    pd_id: Annotated[str, 1] = always(str)
    fs_type: Annotated[str, 2] = ""


class PortworxVolumeSource(ApiStruct):
    volume_id: Annotated[str, 1] = always(str)
    fs_type: Annotated[str, 2] = ""
    read_only: Annotated[bool, 3] = False


class QuobyteVolumeSource(ApiStruct):
    registry: Annotated[str, 1] = always(str)
    volume: Annotated[str, 2] = always(str)
    read_only: Annotated[bool, 3] = False
    user: Annotated[str, 4] = ""
    group: Annotated[str, 5] = ""
    tenant: Annotated[str, 6] = ""


class RBDVolumeSource(ApiStruct):
    monitors: Annotated[list[str], 1] = always_list()
    image: Annotated[str, 2] = always(str)
    fs_type: Annotated[str, 3] = ""
    pool: Annotated[str, 4] = ""
    user: Annotated[str, 5] = ""
    keyring: Annotated[str, 6] = ""
    secret_ref: Annotated[LocalObjectReference | None, 7] = None
    read_only: Annotated[bool, 8] = False


class ScaleIOVolumeSource(ApiStruct):
    gateway: Annotated[str, 1] = always(str)
    system: Annotated[str, 2] = always(str)
    secret_ref: Annotated[LocalObjectReference | None, 3] = None
    ssl_enabled: Annotated[bool, 4] = False
    protection_domain: Annotated[str, 5] = ""
    storage_pool: Annotated[str, 6] = ""
    storage_mode: Annotated[str, 7] = ""
    volume_name: Annotated[str, 8] = ""
    fs_type: Annotated[str, 9] = ""
    read_only: Annotated[bool, 10] = False


class StorageOSVolumeSource(ApiStruct):
    volume_name: Annotated[str, 1] = ""
    volume_namespace: Annotated[str, 2] = ""
    fs_type: Annotated[str, 3] = ""
    read_only: Annotated[bool, 4] = False
    secret_ref: Annotated[LocalObjectReference | None, 5] = None


class VsphereVirtualDiskVolumeSource(ApiStruct):
    volume_path: Annotated[str, 1] = always(str)
    fs_type: Annotated[str, 2] = ""
    storage_policy_name: Annotated[str, 3] = ""
    storage_policy_id: Annotated[str, 4] = ""
