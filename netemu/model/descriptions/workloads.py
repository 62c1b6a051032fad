"""Deployments, ReplicaSets and the numbers of them."""

TEXT = """
Deployment: Keeps a number of equal pods running, and replaces them step by step when their
        template changes.
DeploymentSpec: How many pods of which kind, and how they are replaced.
    replicas: How many pods there should be.
    selector: Which pods belong to it; it must fit the template's labels and never changes.
    template: What its pods are to be like; a change replaces them.
    strategy: How old pods are replaced by new ones.
    minReadySeconds: For how long a new pod must have been ready to count as available.
    revisionHistoryLimit: How many old ReplicaSets are kept to go back to.
    paused: Whether changes of the template wait.
    progressDeadlineSeconds: After how many seconds without progress a rollout counts as failed.
DeploymentStrategy: How old pods are replaced by new ones.
    type: RollingUpdate replaces them step by step, Recreate ends all old ones first.
    rollingUpdate: How big the steps are.
RollingUpdateDeployment: How big the steps of a rolling update are.
    maxUnavailable: How many pods may be missing meanwhile, as a number or a percentage.
    maxSurge: How many pods too many there may be meanwhile, as a number or a percentage.
DeploymentStatus: How far the Deployment is.
    observedGeneration: The generation that the status is of.
    replicas: How many pods there are.
    updatedReplicas: How many of them are of the present template.
    readyReplicas: How many are ready.
    availableReplicas: How many have been ready for long enough.
    unavailableReplicas: How many are missing.
    terminatingReplicas: How many are going away.
    conditions: Whether it is available, and whether it gets on.
    collisionCount: How often a name for a ReplicaSet was taken.
DeploymentCondition: One aspect of a Deployment's state.
    type: Available, Progressing or ReplicaFailure.
    status: True, False or Unknown.
    reason: Why, in one word for programs.
    message: Why, in a sentence for people.
    lastUpdateTime: When it was last looked at.
    lastTransitionTime: When the status last changed.
ReplicaSet: Keeps a number of equal pods running; mostly made by a Deployment.
ReplicaSetSpec: How many pods of which kind.
    replicas: How many pods there should be.
    minReadySeconds: For how long a new pod must have been ready to count as available.
    selector: Which pods belong to it.
    template: What its pods are to be like; a change is for new pods only.
ReplicaSetStatus: How many pods there are.
    replicas: How many there are.
    fullyLabeledReplicas: How many have all labels of the template.
    readyReplicas: How many are ready.
    availableReplicas: How many have been ready for long enough.
    terminatingReplicas: How many are going away.
    observedGeneration: The generation that the status is of.
    conditions: Whether pods could not be made.
PodTemplateSpec: What the pods that a controller makes are to be like.
Scale: How many, without knowing of what.
ScaleSpec: How many there should be.
    replicas: The number.
ScaleStatus: How many there are.
    replicas: The number.
    selector: Which pods count, as text.
"""
