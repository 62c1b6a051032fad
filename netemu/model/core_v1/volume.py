"""core/v1: a Pod's volumes, and the sources that come from the cluster itself."""

from typing import Annotated

from netemu.model.core_v1.references import (
    KeyToPath,
    LocalObjectReference,
    ObjectFieldSelector,
    ResourceFieldSelector,
    TypedLocalObjectReference,
    TypedObjectReference,
)
from netemu.model.core_v1.resources import VolumeResourceRequirements
from netemu.model.core_v1.volume_backend import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    AzureFileVolumeSource,
    CephFSVolumeSource,
    CinderVolumeSource,
    CSIVolumeSource,
    FCVolumeSource,
    FlexVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    GitRepoVolumeSource,
    GlusterfsVolumeSource,
    ISCSIVolumeSource,
    NFSVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
    StorageOSVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from netemu.model.meta_v1 import LabelSelector, ObjectMeta
from netemu.model.wire import JSON_ONLY, ApiStruct, Quantity, always, always_list


class HostPathVolumeSource(ApiStruct):
    path: Annotated[str, 1] = always(str)
    type: Annotated[str | None, 2] = None


class EmptyDirVolumeSource(ApiStruct):
    medium: Annotated[str, 1] = ""
    size_limit: Annotated[Quantity | None, 2] = None
    mode: Annotated[int | None, JSON_ONLY] = None


class SecretVolumeSource(ApiStruct):
    secret_name: Annotated[str, 1] = ""
    items: Annotated[list[KeyToPath], 2] = []
    default_mode: Annotated[int | None, 3] = None
    optional: Annotated[bool | None, 4] = None
    default_user: Annotated[int | None, JSON_ONLY] = None


class PersistentVolumeClaimVolumeSource(ApiStruct):
    claim_name: Annotated[str, 1] = always(str)
    read_only: Annotated[bool, 2] = False


class DownwardAPIVolumeFile(ApiStruct):
    path: Annotated[str, 1] = always(str)
    field_ref: Annotated[ObjectFieldSelector | None, 2] = None
    resource_field_ref: Annotated[ResourceFieldSelector | None, 3] = None
    mode: Annotated[int | None, 4] = None
    user: Annotated[int | None, JSON_ONLY] = None


class DownwardAPIVolumeSource(ApiStruct):
    items: Annotated[list[DownwardAPIVolumeFile], 1] = []
    default_mode: Annotated[int | None, 2] = None
    default_user: Annotated[int | None, JSON_ONLY] = None


class ConfigMapVolumeSource(LocalObjectReference):
    INLINE = 1

    items: Annotated[list[KeyToPath], 2] = []
    default_mode: Annotated[int | None, 3] = None
    optional: Annotated[bool | None, 4] = None
    default_user: Annotated[int | None, JSON_ONLY] = None


class SecretProjection(LocalObjectReference):
    INLINE = 1

    items: Annotated[list[KeyToPath], 2] = []
    optional: Annotated[bool | None, 4] = None


class DownwardAPIProjection(ApiStruct):
    items: Annotated[list[DownwardAPIVolumeFile], 1] = []


class ConfigMapProjection(LocalObjectReference):
    INLINE = 1

    items: Annotated[list[KeyToPath], 2] = []
    optional: Annotated[bool | None, 4] = None


class ServiceAccountTokenProjection(ApiStruct):
    audience: Annotated[str, 1] = ""
    expiration_seconds: Annotated[int | None, 2] = None
    path: Annotated[str, 3] = always(str)
    user: Annotated[int | None, JSON_ONLY] = None


class ClusterTrustBundleProjection(ApiStruct):
    name: Annotated[str | None, 1] = None
    signer_name: Annotated[str | None, 2] = None
    label_selector: Annotated[LabelSelector | None, 3] = None
    optional: Annotated[bool | None, 5] = None
    path: Annotated[str, 4] = always(str)
    user: Annotated[int | None, JSON_ONLY] = None


class PodCertificateProjection(ApiStruct):
    signer_name: Annotated[str, 1] = ""
    key_type: Annotated[str, 2] = ""
    max_expiration_seconds: Annotated[int | None, 3] = None
    credential_bundle_path: Annotated[str, 4] = ""
    key_path: Annotated[str, 5] = ""
    certificate_chain_path: Annotated[str, 6] = ""
    user_annotations: Annotated[dict[str, str], 7] = {}
    user: Annotated[int | None, JSON_ONLY] = None


class VolumeProjection(ApiStruct):
    secret: Annotated[SecretProjection | None, 1] = None
    downward_api: Annotated[DownwardAPIProjection | None, 2] = None
    config_map: Annotated[ConfigMapProjection | None, 3] = None
    service_account_token: Annotated[ServiceAccountTokenProjection | None, 4] = None
    cluster_trust_bundle: Annotated[ClusterTrustBundleProjection | None, 5] = None
    pod_certificate: Annotated[PodCertificateProjection | None, 6] = None


class ProjectedVolumeSource(ApiStruct):
    sources: Annotated[list[VolumeProjection], 1] = always_list()
    default_mode: Annotated[int | None, 2] = None
    default_user: Annotated[int | None, JSON_ONLY] = None


class PersistentVolumeClaimSpec(ApiStruct):
    access_modes: Annotated[list[str], 1] = []
    selector: Annotated[LabelSelector | None, 4] = None
    resources: Annotated[VolumeResourceRequirements, 2] = always(VolumeResourceRequirements)
    volume_name: Annotated[str, 3] = ""
    storage_class_name: Annotated[str | None, 5] = None
    volume_mode: Annotated[str | None, 6] = None
    data_source: Annotated[TypedLocalObjectReference | None, 7] = None
    data_source_ref: Annotated[TypedObjectReference | None, 8] = None
    volume_attributes_class_name: Annotated[str | None, 9] = None


class PersistentVolumeClaimTemplate(ApiStruct):
    metadata: Annotated[ObjectMeta, 1] = always(ObjectMeta)
    spec: Annotated[PersistentVolumeClaimSpec, 2] = always(PersistentVolumeClaimSpec)


class EphemeralVolumeSource(ApiStruct):
    volume_claim_template: Annotated[PersistentVolumeClaimTemplate | None, 1] = None


class ImageVolumeSource(ApiStruct):
    reference: Annotated[str, 1] = ""
    pull_policy: Annotated[str, 2] = ""


class VolumeSource(ApiStruct):
    host_path: Annotated[HostPathVolumeSource | None, 1] = None
    empty_dir: Annotated[EmptyDirVolumeSource | None, 2] = None
    gce_persistent_disk: Annotated[GCEPersistentDiskVolumeSource | None, 3] = None
    aws_elastic_block_store: Annotated[AWSElasticBlockStoreVolumeSource | None, 4] = None
    git_repo: Annotated[GitRepoVolumeSource | None, 5] = None
    secret: Annotated[SecretVolumeSource | None, 6] = None
    nfs: Annotated[NFSVolumeSource | None, 7] = None
    iscsi: Annotated[ISCSIVolumeSource | None, 8] = None
    glusterfs: Annotated[GlusterfsVolumeSource | None, 9] = None
    persistent_volume_claim: Annotated[PersistentVolumeClaimVolumeSource | None, 10] = None
    rbd: Annotated[RBDVolumeSource | None, 11] = None
    flex_volume: Annotated[FlexVolumeSource | None, 12] = None
    cinder: Annotated[CinderVolumeSource | None, 13] = None
    cephfs: Annotated[CephFSVolumeSource | None, 14] = None
    flocker: Annotated[FlockerVolumeSource | None, 15] = None
    downward_api: Annotated[DownwardAPIVolumeSource | None, 16] = None
    fc: Annotated[FCVolumeSource | None, 17] = None
    azure_file: Annotated[AzureFileVolumeSource | None, 18] = None
    config_map: Annotated[ConfigMapVolumeSource | None, 19] = None
    vsphere_volume: Annotated[VsphereVirtualDiskVolumeSource | None, 20] = None
    quobyte: Annotated[QuobyteVolumeSource | None, 21] = None
    azure_disk: Annotated[AzureDiskVolumeSource | None, 22] = None
    photon_persistent_disk: Annotated[PhotonPersistentDiskVolumeSource | None, 23] = None
    projected: Annotated[ProjectedVolumeSource | None, 26] = None
    portworx_volume: Annotated[PortworxVolumeSource | None, 24] = None
    scale_io: Annotated[ScaleIOVolumeSource | None, 25] = None
    storageos: Annotated[StorageOSVolumeSource | None, 27] = None
    csi: Annotated[CSIVolumeSource | None, 28] = None
    ephemeral: Annotated[EphemeralVolumeSource | None, 29] = None
    image: Annotated[ImageVolumeSource | None, 30] = None


class Volume(VolumeSource):
    INLINE = 2

    name: Annotated[str, 1] = always(str)
