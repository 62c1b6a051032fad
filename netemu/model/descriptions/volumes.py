"""Volumes and what is in them."""

TEXT = """
Volume: A directory that containers of a pod can mount.
    name: The name by which containers mount it.
VolumeSource: What is in a volume.
    emptyDir: Nothing at first; it goes with the pod.
    hostPath: A path of the node; here of the host.
    configMap: A ConfigMap, a file a key.
    secret: A Secret, a file a key.
    downwardAPI: What the pod is, as files.
    projected: Several of these in one directory.
    persistentVolumeClaim: Storage that outlives the pod; netemu puts an empty directory there.
    nfs: A directory of an NFS server; netemu puts an empty directory there.
    csi: Storage by a driver; netemu puts an empty directory there.
    ephemeral: Storage made for the pod; netemu puts an empty directory there.
    image: The files of an image; netemu puts an empty directory there.
VolumeMount: A volume and where a container sees it.
    name: The volume's name.
    mountPath: Where the container sees it.
    readOnly: Whether the container cannot write to it.
    subPath: The part of the volume that is seen, instead of its root.
    subPathExpr: The same, with `$(NAME)` replaced by environment variables.
    mountPropagation: Whether mounts made below it are passed on.
EmptyDirVolumeSource: A directory that is empty at first.
    medium: Memory for one that does not touch the disk.
    sizeLimit: How much may be in it.
HostPathVolumeSource: A path of the node.
    path: The path.
    type: What it must be, or become if it is not there.
ConfigMapVolumeSource: A ConfigMap, a file a key.
    name: The ConfigMap's name.
    items: The keys to take and the names of their files; all, if it is left out.
    defaultMode: The files' permissions.
    optional: Whether it may be missing.
SecretVolumeSource: A Secret, a file a key.
    secretName: The Secret's name.
    items: The keys to take and the names of their files; all, if it is left out.
    defaultMode: The files' permissions.
    optional: Whether it may be missing.
ProjectedVolumeSource: Several sources in one directory.
    sources: The sources.
    defaultMode: The files' permissions.
VolumeProjection: One of the sources of a projected volume.
    configMap: A ConfigMap, a file a key.
    secret: A Secret, a file a key.
    downwardAPI: What the pod is, as files.
    serviceAccountToken: A token for the API server, renewed in time.
ServiceAccountTokenProjection: A token of the pod's account.
    audience: Whom the token is meant for; the API server if it is left out.
    expirationSeconds: How long a token is good for.
    path: The name of its file.
DownwardAPIVolumeSource: What a pod is, as files.
    items: The files.
    defaultMode: The files' permissions.
DownwardAPIVolumeFile: One file that tells what a pod is.
    path: The file's name.
    fieldRef: The field of the pod that is in it.
    resourceFieldRef: The limit or request of a container that is in it.
    mode: The file's permissions.
KeyToPath: A key and the file that it becomes.
    key: The key.
    path: The file's name within the volume.
    mode: The file's permissions.
"""
