"""Services and where they lead."""

TEXT = """
Service: A name and an address for a group of pods that changes.
ServiceSpec: How the Service is reached and where it leads.
    ports: The ports on which the Service is reached.
    selector: The labels of the pods behind it; without one, somebody else must say the endpoints.
    clusterIP: The virtual address; `None` for a headless Service, whose name leads to the pods
        themselves.
    clusterIPs: The virtual addresses, one a family; the first is `clusterIP`.
    type: ClusterIP is reached within the cluster, NodePort also at every node's address,
        LoadBalancer also from outside; ExternalName is an alias in DNS.
    externalIPs: Addresses of others at which nodes take the Service's traffic.
    sessionAffinity: ClientIP sends a client to the same pod each time, None to any.
    sessionAffinityConfig: For how long a client keeps its pod.
    loadBalancerIP: The address to ask the load balancer for; superseded.
    loadBalancerSourceRanges: The clients that the load balancer lets in.
    loadBalancerClass: Which implementation makes the load balancer.
    externalName: The name that an ExternalName Service stands for.
    externalTrafficPolicy: Local keeps traffic from outside on the node that it came to, and
        with it the client's address; Cluster sends it to any pod.
    internalTrafficPolicy: Local keeps traffic from pods on their node; Cluster sends it to any
        pod.
    healthCheckNodePort: Where a load balancer asks a node whether it has pods of the Service.
    publishNotReadyAddresses: Whether DNS also leads to pods that are not ready.
    ipFamilies: IPv4 or IPv6, or both, in order of preference.
    ipFamilyPolicy: Whether one family or two are wanted or needed.
    allocateLoadBalancerNodePorts: Whether a LoadBalancer Service gets node ports, too.
    trafficDistribution: Which endpoints are preferred: those that are near.
ServicePort: One port of a Service.
    name: The port's name, needed if there are several.
    protocol: TCP, UDP or SCTP.
    appProtocol: What is spoken over it, for those who look into it.
    port: The port on which the Service is reached.
    targetPort: The port of the pods, as a number or as the name of a container's port; the same
        as `port` if it is left out.
    nodePort: The port on every node's address; chosen by the server if it is left out.
ServiceStatus: How the Service is.
    loadBalancer: Where the load balancer is reached.
    conditions: Further aspects of its state.
LoadBalancerStatus: Where a load balancer is reached.
    ingress: Its addresses.
LoadBalancerIngress: One way in.
    ip: Its address.
    hostname: Its name.
SessionAffinityConfig: For how long a client keeps its pod.
    clientIP: For clients that are told apart by their address.
ClientIPConfig: For how long an address keeps its pod.
    timeoutSeconds: So many seconds after its last connection.
Endpoints: The pods behind a Service in one object; superseded by EndpointSlice.
    subsets: Groups of addresses that have the same ports.
EndpointSubset: Addresses that have the same ports.
    addresses: Those that take traffic.
    notReadyAddresses: Those that do not yet.
    ports: The ports of all of them.
EndpointAddress: One address behind a Service.
    ip: The address.
    hostname: The host's name in DNS, below the Service's.
    nodeName: The node that it is on.
    targetRef: The pod that it is.
EndpointPort: One port of the endpoints.
    name: The name of the Service's port that it stands for.
    port: The number at the endpoint.
    protocol: TCP, UDP or SCTP.
    appProtocol: What is spoken over it.
EndpointSlice: Some of the endpoints of a Service; the label kubernetes.io/service-name says
        whose.
    addressType: What the addresses are: IPv4, IPv6 or FQDN.
    endpoints: The endpoints, at most 1000.
    ports: The ports of all endpoints of this slice.
Endpoint: One endpoint: a pod, mostly.
    addresses: Its addresses, of which the first counts.
    conditions: Whether it takes traffic.
    hostname: Its host's name in DNS, below the Service's.
    targetRef: The object that it is.
    nodeName: The node that it is on.
    zone: The zone that it is in.
    hints: Who should prefer it.
    deprecatedTopology: No longer used.
EndpointConditions: Whether an endpoint takes traffic.
    ready: Whether it takes new connections: it serves, and is not going away.
    serving: Whether it answers, be it going away or not.
    terminating: Whether it is going away.
EndpointHints: Who should prefer an endpoint.
    forZones: Clients in these zones.
    forNodes: Clients on these nodes.
"""
