"""Nodes, namespaces, configuration, events and leases."""

TEXT = """
Namespace: A room for objects, whose names are unique within it.
NamespaceSpec: What a namespace needs before it goes.
    finalizers: Who must have emptied the namespace before it goes.
NamespaceStatus: How a namespace is.
    phase: Active, or Terminating once it is deleted.
    conditions: What a namespace that is being deleted waits for.
Node: A machine that pods run on; here a network namespace.
NodeSpec: How a node is to be used.
    podCIDR: The range that the addresses of the node's pods come from.
    podCIDRs: The same range, and one of the other family where there is one.
    providerID: The machine's name at its cloud.
    unschedulable: Whether no new pods come here; `kubectl cordon` sets it.
    taints: What a pod must tolerate to come here.
NodeStatus: How a node is, as its kubelet reports it.
    capacity: What the node has.
    allocatable: What of it pods may ask for.
    conditions: Whether the node is ready, and what it is short of.
    addresses: Under which addresses and names the node is reached.
    daemonEndpoints: On which ports the node's daemons listen.
    nodeInfo: What the node runs on and which versions it runs.
    images: Images that the node holds already.
NodeAddress: An address or a name of a node.
    type: InternalIP, ExternalIP, Hostname or a DNS name.
    address: The address or name itself.
NodeCondition: One aspect of a node's state.
    type: Ready, MemoryPressure, DiskPressure, PIDPressure or NetworkUnavailable.
    status: True, False, or Unknown if the kubelet is silent.
    reason: Why, in one word for programs.
    message: Why, in a sentence for people.
    lastHeartbeatTime: When the kubelet last said so.
    lastTransitionTime: When the status last changed.
Taint: What keeps pods off a node that do not tolerate it.
    key: The taint's key.
    value: The taint's value.
    effect: NoSchedule keeps new pods off, PreferNoSchedule if it can be helped, NoExecute
        sends away those that are there.
    timeAdded: Since when a NoExecute taint is there.
ConfigMap: Configuration for pods, as environment variables or files.
    data: Keys and their texts.
    binaryData: Keys and their bytes, in base64.
    immutable: Whether nothing of it may be changed any more.
Secret: Configuration that is nobody else's business.
    data: Keys and their bytes, in base64.
    stringData: Keys and texts to be added to `data`; never returned.
    type: What the Secret is for, which says the keys that it must have.
    immutable: Whether nothing of it may be changed any more.
ServiceAccount: Who the programs in a pod are to the API server.
    secrets: Secrets that pods of this account may use.
    imagePullSecrets: Credentials for image registries that its pods are given.
    automountServiceAccountToken: Whether its pods find a token for the API server.
Event: Something that happened to an object.
    involvedObject: What it happened to.
    reason: What happened, in one word.
    message: What happened, in a sentence.
    source: Who saw it, and on which node.
    type: Normal, or Warning if somebody should look.
    count: How often it happened.
    firstTimestamp: When it happened first.
    lastTimestamp: When it happened last.
    eventTime: When it happened, to the microsecond.
    action: What was done or tried.
    series: How often and until when it goes on.
    related: A second object that it is about.
    reportingComponent: Who reports it.
    reportingInstance: Which instance of it.
Lease: A claim that must be renewed: that a node lives, that somebody leads.
LeaseSpec: Whose claim it is and for how long.
    holderIdentity: Who holds it.
    leaseDurationSeconds: For how long after its renewal it holds.
    acquireTime: When the present holder got it.
    renewTime: When it was last renewed.
    leaseTransitions: How often it changed hands.
"""
