"""Pods, their containers, and where they go."""

TEXT = """
Pod: Containers that share a network address and are started, moved and ended together.
PodSpec: What a pod consists of and where it may go.
    containers: The containers that make up the pod; there is at least one.
    initContainers: Containers that run one after the other before the others start; one with
        restartPolicy Always goes on beside them.
    ephemeralContainers: Containers added to a running pod to look into it.
    volumes: Directories that containers can mount.
    restartPolicy: Whether containers that end are started again: Always, OnFailure or Never.
    terminationGracePeriodSeconds: How long containers have between the signal to end and being
        killed.
    activeDeadlineSeconds: After how long the pod is ended, whatever it does.
    dnsPolicy: Where names are looked up: ClusterFirst asks the cluster's DNS, Default the node's
        servers, None those of `dnsConfig` only; ClusterFirstWithHostNet is ClusterFirst for pods
        in the node's network.
    dnsConfig: Name servers, search domains and options besides those of `dnsPolicy`.
    nodeSelector: Labels that the node must have.
    nodeName: The node that the pod runs on; set by the scheduler, or by hand to pass it by.
    affinity: Which nodes and which neighbours are wanted or unwanted.
    tolerations: Taints of nodes that the pod puts up with.
    topologySpreadConstraints: How the pods of a group are spread over nodes and zones.
    schedulerName: Which scheduler finds the node.
    schedulingGates: What must be cleared away before the pod is scheduled.
    priorityClassName: The class that says how important the pod is.
    priority: How important the pod is; worked out from its class.
    preemptionPolicy: Whether less important pods may be sent away for it.
    serviceAccountName: Who the pod's programs are to the API server.
    serviceAccount: The old name of `serviceAccountName`.
    automountServiceAccountToken: Whether containers find a token for the API server.
    hostNetwork: Whether the pod uses the node's network instead of one of its own.
    hostPID: Whether the pod sees the node's processes.
    hostIPC: Whether the pod shares the node's IPC namespace.
    hostUsers: Whether the pod's users are the node's; false asks for a user namespace.
    shareProcessNamespace: Whether the containers see each other's processes.
    securityContext: Users, groups and sysctls for all containers.
    imagePullSecrets: Credentials for image registries.
    hostname: The pod's hostname; its name if it is left out.
    subdomain: The headless Service below which the pod's hostname is found in DNS.
    setHostnameAsFQDN: Whether the hostname inside is the full DNS name.
    hostnameOverride: The hostname inside, whatever else is said.
    hostAliases: Further lines of /etc/hosts.
    readinessGates: Conditions that must be true besides the containers being ready.
    enableServiceLinks: Whether environment variables tell of the Services of the namespace.
    runtimeClassName: Which container runtime is to run the pod.
    overhead: What the pod needs besides what its containers ask for.
    os: The operating system that the containers are made for.
    resources: What the pod as a whole needs and may use.
    resourceClaims: Devices that the pod needs.
PodDNSConfig: How names are looked up in a pod.
    nameservers: Addresses of name servers.
    searches: Domains that short names are tried in.
    options: Options of the resolver, such as ndots.
PodDNSConfigOption: An option of the resolver.
    name: Its name.
    value: Its value, if it has one.
HostAlias: A line of /etc/hosts.
    ip: The address.
    hostnames: The names that lead to it.
PodSecurityContext: Users, groups and sysctls for all containers of a pod.
    runAsUser: The number of the user that the containers run as.
    runAsGroup: The number of the group that the containers run as.
    runAsNonRoot: Whether root is refused.
    supplementalGroups: Further groups of the containers' processes.
    fsGroup: The group that volumes belong to.
    sysctls: Kernel parameters of the pod's namespaces.
    seccompProfile: Which system calls are allowed.
Sysctl: A kernel parameter of a pod.
    name: Its name.
    value: Its value.
Container: One program, or more, in a pod.
    name: The container's name, unique in its pod; it never changes.
    image: What to run; netemu runs a built-in work-alike, a program of the host, or a stand-in.
    command: The program and its first arguments, instead of the image's; `$(NAME)` is replaced
        by an environment variable.
    args: Further arguments, instead of the image's.
    workingDir: The directory that the program starts in.
    ports: Ports that the program listens on, for others to know.
    env: Environment variables.
    envFrom: ConfigMaps and Secrets whose every key becomes an environment variable.
    resources: What the container needs at least and may use at most.
    resizePolicy: Whether a change of its resources restarts the container.
    restartPolicy: Always makes an init container one that goes on beside the others.
    volumeMounts: Volumes and where the container sees them.
    volumeDevices: Block devices and where the container sees them.
    livenessProbe: Tells whether the container still works; if not, it is restarted.
    readinessProbe: Tells whether the container takes requests; if not, Services pass it by.
    startupProbe: Tells whether the container has started; the other probes wait for it.
    lifecycle: What is done right after the start and before the end.
    terminationMessagePath: The file in which the container leaves its last words.
    terminationMessagePolicy: FallbackToLogsOnError takes the end of the log where there are none.
    imagePullPolicy: When the image is fetched: Always, IfNotPresent or Never.
    securityContext: Users and powers of this container.
    stdin: Whether the program has an input that one can attach to.
    stdinOnce: Whether the input ends with the first who leaves it.
    tty: Whether the program gets a terminal.
EphemeralContainer: A container added to a running pod to look into it.
    targetContainerName: The container whose processes it sees.
ContainerPort: A port that a container listens on.
    name: A name for Services and probes to refer to.
    containerPort: The number.
    protocol: TCP, UDP or SCTP.
    hostPort: The same on the node's address.
    hostIP: Which of the node's addresses.
EnvVar: An environment variable.
    name: Its name.
    value: Its value, in which `$(NAME)` is replaced by variables defined before.
    valueFrom: Where its value comes from instead.
EnvVarSource: Where a variable's value comes from.
    fieldRef: A field of the pod, such as status.podIP.
    resourceFieldRef: A limit or request of a container.
    configMapKeyRef: A key of a ConfigMap.
    secretKeyRef: A key of a Secret.
EnvFromSource: An object whose every key becomes an environment variable.
    prefix: What is put before each name.
    configMapRef: The ConfigMap.
    secretRef: The Secret.
ConfigMapKeySelector: A key of a ConfigMap.
    name: The ConfigMap's name.
    key: The key.
    optional: Whether it may be missing.
SecretKeySelector: A key of a Secret.
    name: The Secret's name.
    key: The key.
    optional: Whether it may be missing.
ObjectFieldSelector: A field of the pod.
    fieldPath: Its path, such as metadata.name.
    apiVersion: The version that the path is meant in.
ResourceFieldSelector: A limit or request of a container.
    containerName: The container.
    resource: Which, such as limits.cpu.
    divisor: The unit that it is given in.
ResourceRequirements: What a container needs at least and may use at most.
    limits: At most so much CPU and memory.
    requests: At least so much CPU and memory; what the scheduler counts.
    claims: Devices of the pod that the container uses.
ProbeHandler: How something is tried.
    exec: By a command in the container that must end with 0.
    httpGet: By an HTTP request that must be answered with a status from 200 to 399.
    tcpSocket: By a TCP connection that must come about.
    grpc: By gRPC's health protocol.
Probe: How and how often a container is asked how it is.
    initialDelaySeconds: How long after the start the first probe comes.
    periodSeconds: How long from one probe to the next.
    timeoutSeconds: How long a probe may take.
    successThreshold: How many successes in a row count as one.
    failureThreshold: How many failures in a row count as one.
    terminationGracePeriodSeconds: The container's grace period, if this probe ends it.
ExecAction: A command to run in the container.
    command: The program and its arguments, without a shell.
HTTPGetAction: An HTTP request.
    path: The path to ask for.
    port: The port, as a number or by its name.
    host: The host to connect to; the pod itself if it is left out.
    scheme: HTTP or HTTPS.
    httpHeaders: Headers to send.
TCPSocketAction: A TCP connection.
    port: The port, as a number or by its name.
    host: The host to connect to; the pod itself if it is left out.
GRPCAction: A question by gRPC's health protocol.
    port: The port.
    service: The service to ask for.
Lifecycle: What is done right after a container's start and before its end.
    postStart: Done right after the start; if it fails, the container is ended.
    preStop: Done before the signal to end; the grace period goes on meanwhile.
    stopSignal: The signal to end.
LifecycleHandler: What is done.
    exec: A command in the container.
    httpGet: An HTTP request.
    tcpSocket: No longer used.
    sleep: A pause.
SecurityContext: Users and powers of one container; it overrides the pod's.
    capabilities: Powers to add and to drop.
    privileged: Whether the container has all powers.
    runAsUser: The number of the user that it runs as.
    runAsGroup: The number of the group that it runs as.
    runAsNonRoot: Whether root is refused.
    readOnlyRootFilesystem: Whether its root cannot be written to.
    allowPrivilegeEscalation: Whether its processes may get more powers than their parents have.
    seccompProfile: Which system calls are allowed.
Capabilities: Powers of root that a container has.
    add: Those to add, such as NET_ADMIN.
    drop: Those to drop, or ALL.
Toleration: A taint that a pod puts up with.
    key: The taint's key; all, if it is left out and the operator is Exists.
    operator: Equal compares the value, Exists does not.
    value: The taint's value.
    effect: The taint's effect; all, if it is left out.
    tolerationSeconds: For how long a NoExecute taint is put up with.
TopologySpreadConstraint: How the pods of a group are spread.
    maxSkew: By how many pods two domains may differ.
    topologyKey: The label of nodes whose values are the domains.
    whenUnsatisfiable: DoNotSchedule makes the pod wait, ScheduleAnyway is a wish.
    labelSelector: Which pods are counted.
    minDomains: How many domains there must be at least.
Affinity: Which nodes and which neighbours are wanted or unwanted.
    nodeAffinity: About nodes.
    podAffinity: About pods to be near to.
    podAntiAffinity: About pods to be far from.
NodeAffinity: Which nodes are wanted.
    requiredDuringSchedulingIgnoredDuringExecution: What the node must be like.
    preferredDuringSchedulingIgnoredDuringExecution: What the node should be like.
PodAffinity: Which pods to be near to.
    requiredDuringSchedulingIgnoredDuringExecution: What must hold.
    preferredDuringSchedulingIgnoredDuringExecution: What should hold.
PodAntiAffinity: Which pods to be far from.
    requiredDuringSchedulingIgnoredDuringExecution: What must hold.
    preferredDuringSchedulingIgnoredDuringExecution: What should hold.
PodAffinityTerm: Which pods, and how near.
    labelSelector: The pods, by their labels.
    namespaces: The namespaces that they are in.
    namespaceSelector: The namespaces that they are in, by their labels.
    topologyKey: The label of nodes whose equal values mean near.
PodStatus: How a pod is.
    phase: Pending, Running, Succeeded, Failed, or Unknown if its node is silent.
    conditions: How far the pod is: scheduled, initialized, ready.
    message: Why, in a sentence for people.
    reason: Why, in one word for programs.
    hostIP: The address of its node.
    hostIPs: The addresses of its node.
    podIP: The pod's address.
    podIPs: The pod's addresses, one a family.
    startTime: When the kubelet took it on.
    initContainerStatuses: How its init containers are.
    containerStatuses: How its containers are.
    ephemeralContainerStatuses: How its ephemeral containers are.
    qosClass: Guaranteed, Burstable or BestEffort: who goes last and first when memory is short.
    nominatedNodeName: The node that is being cleared for it.
PodCondition: One aspect of a pod's state.
    type: PodScheduled, Initialized, ContainersReady, Ready or another's.
    status: True, False or Unknown.
    reason: Why, in one word for programs.
    message: Why, in a sentence for people.
    lastProbeTime: When it was last looked at.
    lastTransitionTime: When the status last changed.
ContainerStatus: How a container is.
    name: The container's name.
    state: What it does now.
    lastState: How it ended the last time.
    ready: Whether it takes requests.
    started: Whether its startup probe has succeeded and its postStart hook is over.
    restartCount: How often it was started again.
    image: What it runs.
    imageID: What it runs, exactly.
    containerID: This run's name at the runtime.
ContainerState: What a container does: it waits, runs, or has ended.
    waiting: Why it waits.
    running: Since when it runs.
    terminated: How it ended.
ContainerStateWaiting: Why a container waits.
    reason: In one word for programs.
    message: In a sentence for people.
ContainerStateRunning: Since when a container runs.
    startedAt: When it started.
ContainerStateTerminated: How a container ended.
    exitCode: What its program returned; 128 and the signal's number if one ended it.
    signal: The signal that ended it.
    reason: Completed, Error, OOMKilled or the like.
    message: Its last words.
    startedAt: When it started.
    finishedAt: When it ended.
    containerID: The run's name at the runtime.
Binding: Gives a pod its node.
    target: The node.
"""
