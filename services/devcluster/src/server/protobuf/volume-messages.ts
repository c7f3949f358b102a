/** Fields of volumes, by number; message-table.ts explains the notation. */

export const volumeMessages = `
Volume: 1 name, 2 * VolumeSource
AttachedVolume: 1 name, 2 devicePath
VolumeSource: 1 hostPath? HostPathVolumeSource, 2 emptyDir? EmptyDirVolumeSource,
  3 gcePersistentDisk? GCEPersistentDiskVolumeSource, 4 awsElasticBlockStore? AWSElasticBlockStoreVolumeSource,
  5 gitRepo? GitRepoVolumeSource, 6 secret? SecretVolumeSource, 7 nfs? NFSVolumeSource, 8 iscsi? ISCSIVolumeSource,
  9 glusterfs? GlusterfsVolumeSource, 10 persistentVolumeClaim? PersistentVolumeClaimVolumeSource,
  11 rbd? RBDVolumeSource, 12 flexVolume? FlexVolumeSource, 13 cinder? CinderVolumeSource,
  14 cephfs? CephFSVolumeSource, 15 flocker? FlockerVolumeSource, 16 downwardAPI? DownwardAPIVolumeSource,
  17 fc? FCVolumeSource, 18 azureFile? AzureFileVolumeSource, 19 configMap? ConfigMapVolumeSource,
  20 vsphereVolume? VsphereVirtualDiskVolumeSource, 21 quobyte? QuobyteVolumeSource,
  22 azureDisk? AzureDiskVolumeSource, 23 photonPersistentDisk? PhotonPersistentDiskVolumeSource,
  24 portworxVolume? PortworxVolumeSource, 25 scaleIO? ScaleIOVolumeSource, 26 projected? ProjectedVolumeSource,
  27 storageos? StorageOSVolumeSource, 28 csi? CSIVolumeSource, 29 ephemeral? EphemeralVolumeSource,
  30 image? ImageVolumeSource
TypedLocalObjectReference: 1 apiGroup?, 2 kind, 3 name
HostPathVolumeSource: 1 path, 2 type?
EmptyDirVolumeSource: 1 medium, 2 sizeLimit quantity
GCEPersistentDiskVolumeSource: 1 pdName, 2 fsType, 3 partition int32, 4 readOnly boolean
AWSElasticBlockStoreVolumeSource: 1 volumeID, 2 fsType, 3 partition int32, 4 readOnly boolean
GitRepoVolumeSource: 1 repository, 2 revision, 3 directory
SecretVolumeSource: 1 secretName, 2 items [KeyToPath], 3 defaultMode? int32, 4 optional? boolean
NFSVolumeSource: 1 server, 2 path, 3 readOnly boolean
ISCSIVolumeSource: 1 targetPortal, 2 iqn, 3 lun? int32, 4 iscsiInterface, 5 fsType, 6 readOnly boolean,
  7 portals [string], 8 chapAuthDiscovery boolean, 10 secretRef? LocalObjectReference, 11 chapAuthSession boolean,
  12 initiatorName?
GlusterfsVolumeSource: 1 endpoints, 2 path, 3 readOnly boolean
PersistentVolumeClaimVolumeSource: 1 claimName, 2 readOnly boolean
RBDVolumeSource: 1 monitors [string], 2 image, 3 fsType, 4 pool, 5 user, 6 keyring, 7 secretRef? LocalObjectReference,
  8 readOnly boolean
FlexVolumeSource: 1 driver, 2 fsType, 3 secretRef? LocalObjectReference, 4 readOnly boolean, 5 options {string}
CinderVolumeSource: 1 volumeID, 2 fsType, 3 readOnly boolean, 4 secretRef? LocalObjectReference
CephFSVolumeSource: 1 monitors [string], 2 path, 3 user, 4 secretFile, 5 secretRef? LocalObjectReference,
  6 readOnly boolean
FlockerVolumeSource: 1 datasetName, 2 datasetUUID
DownwardAPIVolumeSource: 1 items [DownwardAPIVolumeFile], 2 defaultMode? int32
FCVolumeSource: 1 targetWWNs [string], 2 lun? int32, 3 fsType, 4 readOnly boolean, 5 wwids [string]
AzureFileVolumeSource: 1 secretName, 2 shareName, 3 readOnly boolean
ConfigMapVolumeSource: 1 * LocalObjectReference, 2 items [KeyToPath], 3 defaultMode? int32, 4 optional? boolean
VsphereVirtualDiskVolumeSource: 1 volumePath, 2 fsType, 3 storagePolicyName, 4 storagePolicyID
QuobyteVolumeSource: 1 registry, 2 volume, 3 readOnly boolean, 4 user, 5 group, 6 tenant
AzureDiskVolumeSource: 1 diskName, 2 diskURI, 3 cachingMode?, 4 fsType?, 5 readOnly? boolean, 6 kind?
PhotonPersistentDiskVolumeSource: 1 pdID, 2 fsType
ProjectedVolumeSource: 1 sources [VolumeProjection], 2 defaultMode? int32
PortworxVolumeSource: 1 volumeID, 2 fsType, 3 readOnly boolean
ScaleIOVolumeSource: 1 gateway, 2 system, 3 secretRef? LocalObjectReference, 4 sslEnabled boolean, 5 protectionDomain,
  6 storagePool, 7 storageMode, 8 volumeName, 9 fsType, 10 readOnly boolean
StorageOSVolumeSource: 1 volumeName, 2 volumeNamespace, 3 fsType, 4 readOnly boolean, 5 secretRef? LocalObjectReference
CSIVolumeSource: 1 driver, 2 readOnly? boolean, 3 fsType?, 4 volumeAttributes {string},
  5 nodePublishSecretRef? LocalObjectReference
EphemeralVolumeSource: 1 volumeClaimTemplate? PersistentVolumeClaimTemplate
ImageVolumeSource: 1 reference, 2 pullPolicy
KeyToPath: 1 key, 2 path, 3 mode? int32
DownwardAPIVolumeFile: 1 path, 2 fieldRef? ObjectFieldSelector, 3 resourceFieldRef? ResourceFieldSelector, 4 mode? int32
VolumeProjection: 1 secret? SecretProjection, 2 downwardAPI? DownwardAPIProjection, 3 configMap? ConfigMapProjection,
  4 serviceAccountToken? ServiceAccountTokenProjection, 5 clusterTrustBundle? ClusterTrustBundleProjection
PersistentVolumeClaimTemplate: 1 metadata ObjectMeta, 2 spec PersistentVolumeClaimSpec
SecretProjection: 1 * LocalObjectReference, 2 items [KeyToPath], 4 optional? boolean
DownwardAPIProjection: 1 items [DownwardAPIVolumeFile]
ConfigMapProjection: 1 * LocalObjectReference, 2 items [KeyToPath], 4 optional? boolean
ServiceAccountTokenProjection: 1 audience, 2 expirationSeconds? int64, 3 path
ClusterTrustBundleProjection: 1 name?, 2 signerName?, 3 labelSelector? LabelSelector, 4 path, 5 optional? boolean
PersistentVolumeClaimSpec: 1 accessModes [string], 2 resources VolumeResourceRequirements, 3 volumeName,
  4 selector? LabelSelector, 5 storageClassName?, 6 volumeMode?, 7 dataSource? TypedLocalObjectReference,
  8 dataSourceRef? TypedObjectReference, 9 volumeAttributesClassName?
VolumeResourceRequirements: 1 limits {quantity}, 2 requests {quantity}
TypedObjectReference: 1 apiGroup?, 2 kind, 3 name, 4 namespace?
`;
